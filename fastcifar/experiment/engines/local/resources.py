"""The cores, memory and GPUs of this machine, and how a process is told what it has of them."""

import math
from collections.abc import Collection

from fastcifar.experiment.engines.base import Needs
from fastcifar.experiment.engines.local.gpus import GPUs
from fastcifar.machine import cores, free_memory

THREADS = "OMP_NUM_THREADS"  # what torch and most others read when they are loaded


class Resources:
    """What the processes of one engine share. gpus: those that may be taken; by default all that nobody uses."""

    def __init__(self, gpus: GPUs | None = None) -> None:
        self.gpus = gpus or GPUs()

    def capacity(self, needs: Needs) -> float:
        """How many processes with these needs fit beside each other, one at least; infinite where nothing limits them.

        Raises GPUError where there are fewer GPUs than one of them needs.
        """
        rooms = [math.inf if needs.gpus is None else self.gpus.capacity(needs.gpus, needs.gpu_share)]
        if needs.threads is not None:
            rooms.append(cores() // needs.threads)
        if needs.memory:
            rooms.append(free_memory() // needs.memory)
        return max(1, min(rooms))

    def environment(self, needs: Needs, process: int, living: Collection[int]) -> dict[str, str]:
        """The variables that tell a new process its threads and GPUs; `living` are the numbers of the others."""
        variables = {} if needs.threads is None else {THREADS: str(needs.threads)}
        if needs.gpus is not None:
            variables |= self.gpus.environment(needs.gpus, process, living, needs.gpu_share)
        return variables
