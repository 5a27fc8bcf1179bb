"""Which GPUs a process of ours sees: a command's trial, or a warm worker for as long as it lives."""

import os
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from fastcifar.errors import Failure

VISIBLE = "CUDA_VISIBLE_DEVICES"


class GPUError(Failure):
    """There are not as many GPUs as a trial needs."""


@dataclass(frozen=True, kw_only=True)
class GPUs:
    """Gives each process `number` GPUs, those with the fewest of our processes; 0 hides them all.

    indices: GPUs that may be taken; None is all that this process may use. trials_per_gpu: trials that share one.
    use_active: whether GPUs may be taken that other processes use when the search begins.
    """

    number: int
    indices: Sequence[int] | None = None
    trials_per_gpu: int = 1
    use_active: bool = False
    _there: list[str] = field(init=False, default_factory=list)
    _given: dict[int, list[str]] = field(init=False, default_factory=dict)  # by process

    def __post_init__(self) -> None:
        if self.number:
            self._there.extend(available(self.indices, self.use_active))
            if len(self._there) < self.number:
                wanted = "free GPUs" if not self.use_active else "GPUs"
                raise GPUError(f"a trial needs {self.number} {wanted}; there are {len(self._there)}")

    def capacity(self) -> float:
        """How many trials fit beside each other."""
        return len(self._there) * self.trials_per_gpu // self.number if self.number else float("inf")

    def environment(self, number: int, living: Collection[int]) -> Mapping[str, str]:
        """The variables of process `number`, which begins while those with the numbers `living` live."""
        if not self.number:
            return {VISIBLE: "-1"}
        for gone in [other for other in self._given if other not in living]:
            del self._given[gone]
        load = {gpu: sum(gpu in gpus for gpus in self._given.values()) for gpu in self._there}
        chosen = sorted(self._there, key=lambda gpu: load[gpu])[: self.number]
        self._given[number] = chosen
        order = {} if VISIBLE in os.environ else {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}  # as nvidia-smi numbers them
        return {VISIBLE: ",".join(chosen), **order}


def available(indices: Sequence[int] | None, use_active: bool) -> list[str]:
    """The GPUs that may be taken: those in CUDA_VISIBLE_DEVICES, else all that `nvidia-smi` lists.

    They are named as CUDA_VISIBLE_DEVICES names them. Raises GPUError where nvidia-smi is needed and cannot say.
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
