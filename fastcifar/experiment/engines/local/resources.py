"""The cores, memory and GPUs of this machine, and the environment variables that assign them to a process."""

import math
from collections.abc import Collection

from fastcifar.experiment.engines.base import Needs
from fastcifar.experiment.engines.local.gpus import GPUs
from fastcifar.machine import cores, free_memory

THREADS = "OMP_NUM_THREADS"  # torch and most libraries read it when they are loaded


class Resources:
    """The resources that the processes of one engine share. gpus: usable GPUs; by default all that nobody uses."""

    def __init__(self, gpus: GPUs | None = None) -> None:
        self.gpus = gpus or GPUs()

    def capacity(self, needs: Needs) -> float:
        """How many concurrent processes with these needs fit, at least one; infinite if nothing limits them.

        Raises GPUError if there are fewer GPUs than one process needs.
        """
        rooms = [math.inf if needs.gpus is None else self.gpus.capacity(needs.gpus, needs.gpu_share)]
        if needs.threads is not None:
            rooms.append(cores() // needs.threads)
        if needs.memory:
            rooms.append(free_memory() // needs.memory)
        return max(1, min(rooms))

    def environment(self, needs: Needs, process: int, living: Collection[int]) -> dict[str, str]:
        """The variables that assign threads and GPUs to a new process. living: the numbers of the other processes."""
        variables = {} if needs.threads is None else {THREADS: str(needs.threads)}
        if needs.gpus is not None:
            variables |= self.gpus.environment(needs.gpus, process, living, needs.gpu_share)
        return variables
