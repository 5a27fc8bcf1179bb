"""What many runs of one recipe say together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastcifar.names import counted
from fastcifar.statistics import Estimate, Share
from fastcifar.train.result import Result

PARTS = ("prepare", "train", "tta", "evaluate")  # of `Times`
COUNTED = ("prepare", "train", "tta")  # those of them that a comparison counts
MIN_RUNS = 2  # one has no standard deviation


@dataclass(frozen=True, kw_only=True, repr=False)
class Summary:
    """The runs that ended by themselves; those that were interrupted or failed are left out.

    runs: how many. diverged: the seeds of those that diverged; they count in `reached`, and in nothing else.
    accuracy: what the recipe ends with on the validation images, over its views where it has them; a share of 1.
    valid_acc: the same without views. seconds: of each of PARTS, and `counted`, the sum of COUNTED.
    target: an accuracy, a share of 1. reached: the runs whose accuracy is at least that, of all; one that diverged
        did not reach it.
    """

    runs: int
    diverged: tuple[int, ...]
    accuracy: Estimate
    valid_acc: Estimate
    seconds: Mapping[str, Estimate]
    target: float | None = None
    reached: Share | None = None

    def __repr__(self) -> str:
        mean, half = 100 * self.accuracy.mean, 100 * self.accuracy.half
        parts = [counted(self.runs, "run")]
        parts += [f"{len(self.diverged)} diverged"] if self.diverged else []
        parts += [f"{mean:.2f} %" + (f" ± {half:.2f}" if self.accuracy.n > 1 else "")] if self.accuracy.n else []
        parts += [f"{self.seconds['counted'].mean:.4g} s each"] if self.accuracy.n else []
        reached, target = self.reached, self.target
        parts += [] if reached is None or target is None else [f"{reached.count} reached {100 * target:g} %"]
        return f"Summary({', '.join(parts)})"

    def to_dict(self) -> dict[str, Any]:
        """The summary as JSON values."""
        return {
            "runs": self.runs,
            "diverged": list(self.diverged),
            "accuracy": self.accuracy.to_dict(),
            "valid_acc": self.valid_acc.to_dict(),
            "seconds": {part: estimate.to_dict() for part, estimate in self.seconds.items()},
            "target": self.target,
            "reached": None if self.reached is None else self.reached.to_dict(),
        }


def summarise(results: Sequence[Result], target: float | None = None) -> Summary:
    """Sum up runs of one recipe. Raises ValueError for a target that is not a share of 1."""
    if target is not None and not 0 < target <= 1:
        raise ValueError(f"target: an accuracy is a share of 1, not {target}")
    ended = [result for result in results if has_finished(result) or result.status == "diverged"]
    finished = [result for result in ended if has_finished(result)]
    accuracies = [accuracy(result) for result in finished]
    reached = None
    if target is not None:
        count = sum(value >= target - 1e-9 for value in accuracies)  # 0.941 may be written 94.1 / 100
        reached = Share(count=count, n=len(ended))
    return Summary(
        runs=len(ended),
        diverged=tuple(result.seed for result in ended if result.status == "diverged"),
        accuracy=Estimate.of(accuracies),
        valid_acc=Estimate.of([valid_acc(result) for result in finished]),
        seconds={part: Estimate.of([seconds(result)[part] for result in finished]) for part in (*PARTS, "counted")},
        target=target,
        reached=reached,
    )


def has_finished(result: Result) -> bool:
    """Whether the run has an accuracy to count."""
    return result.status in ("finished", "stopped") and result.valid_acc is not None


def accuracy(result: Result) -> float:
    """What a run that has finished ends with, over its views where it has them; a share of 1."""
    return valid_acc(result) if result.tta_acc is None else result.tta_acc


def valid_acc(result: Result) -> float:
    """The accuracy without views of a run that has finished; a share of 1."""
    assert result.valid_acc is not None
    return result.valid_acc


def seconds(result: Result) -> dict[str, float]:
    """The time of each of PARTS, and `counted`."""
    parts = {part: getattr(result.times, part) for part in PARTS}
    return parts | {"counted": sum(parts[part] for part in COUNTED)}
