"""A mean and a share, with their 95 % intervals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import special

from fastcifar.statistics.interval import interval
from fastcifar.statistics.student import spread, t_half

Z = float(special.ndtri(0.975))


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean with its 95 % interval: Student's t, or the wider one of `interval` for skewed numbers.

    sd: standard deviation of one value, with n - 1. For n = 1 sd is nan and half infinite; for n = 0 the mean is nan,
        too.
    half: the distance from the mean to the further end of the interval.
    bounds: the ends of the interval of skewed numbers; None if they are mean - half and mean + half.
    """

    n: int
    mean: float
    sd: float
    half: float
    bounds: tuple[float, float] | None = None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate":
        found = cls.student(values)
        if found.n < 2:
            return found
        low, high, skewed = (one.item() for one in interval(np.asarray(values, dtype=float)))
        if not skewed:
            return found
        return replace(found, half=max(found.mean - low, high - found.mean), bounds=(low, high))

    @classmethod
    def student(cls, values: Sequence[float]) -> "Estimate":
        """Always with Student's interval. Paired differences are not skewed if both sides have the same noise."""
        array = np.asarray(values, dtype=float)
        n = len(array)
        if n < 2:
            return cls(n=n, mean=float(array[0]) if n else math.nan, sd=math.nan, half=math.inf)
        return cls(n=n, mean=float(array.mean()), sd=float(spread(array)), half=float(t_half(array)))

    @property
    def low(self) -> float:
        return self.mean - self.half if self.bounds is None else self.bounds[0]

    @property
    def high(self) -> float:
        return self.mean + self.half if self.bounds is None else self.bounds[1]

    @property
    def skewed(self) -> bool:
        """Whether the numbers were found to be skewed, so that the interval is not Student's."""
        return self.bounds is not None

    def wider(self, factor: float) -> "Estimate":
        """The same mean with an interval that is wider by a factor."""
        bounds = None
        if self.bounds is not None:
            bounds = (self.mean + factor * (self.low - self.mean), self.mean + factor * (self.high - self.mean))
        return replace(self, half=factor * self.half, bounds=bounds)

    def __str__(self) -> str:
        if self.n == 0:
            return "none"
        return f"{self.mean:.2f}" + (f" ± {self.half:.2f}" if self.n > 1 else "") + f" (n {self.n})"

    def to_dict(self) -> dict[str, Any]:
        """JSON values; null stands for figures that need a larger n."""
        numbers = {"n": self.n, "mean": self.mean, "sd": self.sd, "low": self.low, "high": self.high}
        return finite(numbers) | {"skewed": self.skewed}


@dataclass(frozen=True, kw_only=True)
class Share:
    """`count` of `n`, with Wilson's 95 % score interval of the share (JASA 22, 1927), which holds at 0 and n, too."""

    count: int
    n: int

    @property
    def share(self) -> float:
        return self.count / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        if self.n == 0:
            return 0.0, 1.0
        n, p = self.n, self.share
        middle = p + Z**2 / (2 * n)
        half = Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
        low, high = ((middle + side) / (1 + Z**2 / n) for side in (-half, half))
        return (0.0 if self.count == 0 else low), (1.0 if self.count == n else high)  # exact, without rounding

    def to_dict(self) -> dict[str, Any]:
        low, high = self.interval
        return finite({"count": self.count, "n": self.n, "share": self.share, "low": low, "high": high})


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as JSON; a number that is not finite becomes null."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in values.items()
    }
