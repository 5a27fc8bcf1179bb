"""Which GPUs a command's trial sees."""

import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from fastcifar.errors import Failure
from fastcifar.search.experiment.engine import Trial


class GPUError(Failure):
    """There are not as many GPUs as a trial needs."""


@dataclass(frozen=True, kw_only=True)
class GPUs:
    """Gives each trial `number` GPUs, those with the fewest of our trials; 0 hides them all.

    indices: GPUs that may be taken; None is all. trials_per_gpu: trials that share one.
    use_active: whether GPUs may be taken that other processes use when the search begins.
    """

    number: int
    indices: Sequence[int] | None = None
    trials_per_gpu: int = 1
    use_active: bool = False
    _there: list[int] = field(init=False, default_factory=list)
    _given: dict[int, list[int]] = field(init=False, default_factory=dict)  # by trial

    def __post_init__(self) -> None:
        if self.number:
            self._there.extend(available(self.indices, self.use_active))
            if len(self._there) < self.number:
                wanted = "free GPUs" if not self.use_active else "GPUs"
                raise GPUError(f"a trial needs {self.number} {wanted}; there are {len(self._there)}")

    def capacity(self) -> float:
        """How many trials fit beside each other."""
        return len(self._there) * self.trials_per_gpu // self.number if self.number else float("inf")

    def environment(self, trial: Trial, running: Collection[int]) -> Mapping[str, str]:
        """The variables of a trial that begins while the trials with the numbers `running` run."""
        if not self.number:
            return {"CUDA_VISIBLE_DEVICES": "-1"}
        for number in [number for number in self._given if number not in running]:
            del self._given[number]
        load = {gpu: sum(gpu in gpus for gpus in self._given.values()) for gpu in self._there}
        chosen = sorted(self._there, key=lambda gpu: load[gpu])[: self.number]
        self._given[trial.number] = chosen
        return {"CUDA_VISIBLE_DEVICES": ",".join(map(str, chosen))}


def available(indices: Sequence[int] | None, use_active: bool) -> list[int]:
    """The GPUs of this machine that may be taken, as `nvidia-smi` lists them. Raises GPUError where it cannot say."""
    rows = _query("--query-gpu=index,uuid")
    active = set() if use_active else {row[0] for row in _query("--query-compute-apps=gpu_uuid")}
    there = {int(index): uuid for index, uuid in rows}
    for index in indices or ():
        if index not in there:
            raise GPUError(f"there is no GPU {index}; there are {', '.join(map(str, there)) or 'none'}")
    return [index for index in (there if indices is None else indices) if there[index] not in active]


def _query(what: str) -> list[list[str]]:
    try:
        done = subprocess.run(
            ["nvidia-smi", what, "--format=csv,noheader"], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise GPUError(f"nvidia-smi does not say which GPUs there are: {error}") from error
    return [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines() if line.strip()]
