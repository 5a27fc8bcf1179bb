"""A comparison: its numbers, and what they say in one word and in one line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastcifar.names import counted
from fastcifar.statistics import MIN_PAIRS, Estimate, Paired
from fastcifar.train.comparing.many import Summary

OUTCOMES = ("too_few", "identical", "no_spread", "better", "worse", "equivalent", "not_worse", "no_difference")


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison:
    """What pairs of runs with the same seed say of recipe b less recipe a.

    a, b: all runs of each. pairs: the seeds with which both finished; what follows is of them, and None or empty where
    they are fewer than MIN_PAIRS.
    accuracy: what the recipes end with, over their views where they have them; valid_acc: without. Shares of 1.
    seconds: of prepare, train, tta, evaluate, and `counted`, which is the first three together.
    ratios: of the same times, b / a: geometric mean with its interval; None where a time is 0.
    split: what the accuracies are of, `test` or `holdout`; empty where runs differ.
    delta: a difference that matters, a share of 1. pairs_needed: how many would find it in 80 of 100 cases.
    """

    a: Summary
    b: Summary
    pairs: tuple[int, ...]
    accuracy: Paired | None
    valid_acc: Paired | None
    seconds: Mapping[str, Paired]
    ratios: Mapping[str, dict[str, float] | None]
    split: str
    delta: float | None
    pairs_needed: int | None

    def __repr__(self) -> str:
        return f"Comparison({counted(len(self.pairs), 'pair')}: {verdict(self)})"

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return {
            "outcome": outcome(self),
            "verdict": verdict(self),
            "pairs": list(self.pairs),
            "accuracy": None if self.accuracy is None else self.accuracy.to_dict(),
            "valid_acc": None if self.valid_acc is None else self.valid_acc.to_dict(),
            "seconds": {part: times.to_dict() | {"ratio": self.ratios[part]} for part, times in self.seconds.items()},
            "delta": self.delta,
            "pairs_needed": self.pairs_needed,
        }


def outcome(comparison: Comparison) -> str:
    """One of OUTCOMES: what the 95 % interval of the accuracies' difference, b less a, lies above, below or within.

    too_few: fewer than MIN_PAIRS pairs finished. identical: the accuracies of each pair are the same.
    no_spread: they differ by one number in all pairs, which says nothing of chance. better, worse: b is.
    Of the others the interval covers 0: equivalent: it lies within `delta`. not_worse: it does on the worse side.
    """
    if comparison.accuracy is None:
        return "too_few"
    difference, delta = comparison.accuracy.difference, comparison.delta
    if difference.sd == 0:
        return "identical" if difference.mean == 0 else "no_spread"
    if difference.low > 0 or difference.high < 0:
        return "better" if difference.low > 0 else "worse"
    if delta is None or difference.low <= -delta:
        return "no_difference"
    return "equivalent" if difference.high < delta else "not_worse"


def verdict(comparison: Comparison) -> str:
    """One line: accuracy first, then the counted time."""
    text = _accuracy(comparison)
    ratio = comparison.ratios.get("counted")
    if ratio is not None:
        text += f"; {_time(ratio)}"
    diverged = [
        f"{name} diverged in {len(one.diverged)} of {one.runs} runs"
        for name, one in (("A", comparison.a), ("B", comparison.b))
        if one.diverged
    ]
    if diverged and comparison.accuracy is not None:
        return f"{', '.join(diverged)}; of the {len(comparison.pairs)} pairs that finished: {text}"
    return "; ".join([*diverged, text])


def _accuracy(comparison: Comparison) -> str:
    n, what = len(comparison.pairs), outcome(comparison)
    if comparison.accuracy is None:
        return f"too few for a verdict: {n} pairs finished, {MIN_PAIRS} are needed"
    difference = comparison.accuracy.difference
    delta = comparison.delta or 0.0
    where = {"test": " on test", "holdout": " on the holdout"}.get(comparison.split, "")
    less = f"B less A is {_signed(difference, where)}"
    if what == "identical":
        return f"no difference: A and B are equally accurate{where} in each of {n} pairs"
    if what == "no_spread":
        points = f"{100 * difference.mean:+.2f} points{where}"
        return f"unclear: B less A is {points} in each of {n} pairs; chance needs a spread"
    if what in ("better", "worse"):
        small = comparison.delta is not None and max(-difference.low, difference.high) < delta
        return f"B is {what}: {less}" + (f", which is less than {100 * delta:g}" if small else "")
    if what == "equivalent":
        return f"no difference of {100 * delta:g} points: {less}"
    if what == "not_worse":
        return f"B is not worse by {100 * delta:g} points: {less}"
    return f"no difference is found: {less}"


def _signed(difference: Estimate, where: str) -> str:
    mean, low, high = (100 * value for value in (difference.mean, difference.low, difference.high))
    return f"{mean:+.2f} points{where} (95 % interval {low:+.2f} to {high:+.2f})"


def _time(ratio: dict[str, float]) -> str:
    interval = f"({ratio['low']:.3f} to {ratio['high']:.3f})"
    if ratio["low"] <= 1 <= ratio["high"]:
        return f"no difference of time is found, B / A is {ratio['mean']:.3f} {interval}"
    return f"B takes {ratio['mean']:.3f} of A's time {interval}"
