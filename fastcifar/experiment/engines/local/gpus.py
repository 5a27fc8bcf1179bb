"""Assigns this machine's GPUs to processes: to a command's trial, or to a warm worker for as long as it lives."""

import math
import os
import subprocess
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

from fastcifar.errors import Failure

VISIBLE = "CUDA_VISIBLE_DEVICES"


class GPUError(Failure):
    """There are fewer GPUs than a trial needs, or they cannot be listed."""


class GPUs:
    """Assigns the GPUs of this machine: a process gets those with the least load of our processes.

    indices: GPUs that may be used; None means all that this process may use.
    use_active: whether to include GPUs that other processes use at the time of the first request.
    """

    def __init__(self, indices: Sequence[int] | None = None, use_active: bool = False) -> None:
        self.indices, self.use_active = indices, use_active
        self._given: dict[int, tuple[float, list[str]]] = {}  # process -> its share of each of its GPUs

    @cached_property
    def there(self) -> list[str]:
        """The GPUs that may be used. Raises GPUError if they cannot be listed."""
        return available(self.indices, self.use_active)

    def capacity(self, number: int, share: float = 1.0) -> float:
        """How many processes fit that need `number` GPUs, or a share of each. Raises GPUError if none does."""
        if not number:
            return math.inf
        if len(self.there) < number:
            wanted = "free GPUs" if not self.use_active else "GPUs"
            raise GPUError(f"a trial needs {number} {wanted}; there are {len(self.there)}")
        return len(self.there) * round(1 / share) // number

    def environment(self, number: int, process: int, living: Collection[int], share: float = 1.0) -> Mapping[str, str]:
        """The variables of a new process that gets `number` GPUs; 0 hides them all.

        process: its number. living: the numbers of the processes that still hold their GPUs.
        """
        if not number:
            return {VISIBLE: "-1"}
        for gone in [other for other in self._given if other not in living]:
            del self._given[gone]
        load = {gpu: sum(part for part, gpus in self._given.values() if gpu in gpus) for gpu in self.there}
        chosen = sorted(self.there, key=lambda gpu: load[gpu])[:number]
        self._given[process] = share, chosen
        order = {} if VISIBLE in os.environ else {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}  # as nvidia-smi numbers them
        return {VISIBLE: ",".join(chosen), **order}


def available(indices: Sequence[int] | None, use_active: bool) -> list[str]:
    """The GPUs that may be used: those in CUDA_VISIBLE_DEVICES, otherwise all that `nvidia-smi` lists.

    They have the names of CUDA_VISIBLE_DEVICES. Raises GPUError if nvidia-smi is needed and fails.
    """
    mask = os.environ.get(VISIBLE)
    uuids = {} if mask is not None and use_active else dict(_query("--query-gpu=index,uuid"))
    there = (
        list(uuids) if mask is None else [name.strip() for name in mask.split(",") if name.strip() not in ("", "-1")]
    )
    for index in indices or ():
        if str(index) not in there:
            raise GPUError(f"there is no GPU {index}; there are {', '.join(there) or 'none'}")
    wanted = there if indices is None else [str(index) for index in indices]
    active = [] if use_active else [row[0] for row in _query("--query-compute-apps=gpu_uuid")]
    return [name for name in wanted if not any(uuid.startswith(uuids.get(name, name)) for uuid in active)]


def _query(what: str) -> list[list[str]]:
    try:
        done = subprocess.run(
            ["nvidia-smi", what, "--format=csv,noheader"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError) as error:
        hint = "" if VISIBLE in os.environ else f"; {VISIBLE} may name them"
        raise GPUError(f"nvidia-smi does not say which GPUs there are: {error}{hint}") from error
    return [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines() if line.strip()]
