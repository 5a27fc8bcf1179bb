"""A mean and a share, with their 95 % intervals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Z = float(special.ndtri(0.975))


def t_half(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half the width of Student's 95 % interval of the mean of values (..., n), n at least 2."""
    n = values.shape[-1]
    half: NDArray[np.float64] = special.stdtrit(n - 1, 0.975) * spread(values) / math.sqrt(n)
    return half


def spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of values (..., n), with n - 1; exactly 0, without rounding, where they are all the same."""
    sd: NDArray[np.float64] = np.where(np.ptp(values, -1) == 0, 0, values.std(-1, ddof=1))
    return sd


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean with its 95 % interval (Student's t): mean - half to mean + half.

    sd: standard deviation of one value, with n - 1. For n of 1 sd is nan and half infinite; for 0 the mean is nan, too.
    """

    n: int
    mean: float
    sd: float
    half: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate":
        array = np.asarray(values, dtype=float)
        n = len(array)
        if n < 2:
            return cls(n=n, mean=float(array[0]) if n else math.nan, sd=math.nan, half=math.inf)
        return cls(n=n, mean=float(array.mean()), sd=float(spread(array)), half=float(t_half(array)))

    @property
    def low(self) -> float:
        return self.mean - self.half

    @property
    def high(self) -> float:
        return self.mean + self.half

    def __str__(self) -> str:
        if self.n == 0:
            return "none"
        return f"{self.mean:.2f}" + (f" ± {self.half:.2f}" if self.n > 1 else "") + f" (n {self.n})"

    def to_dict(self) -> dict[str, Any]:
        """JSON values; null is what n is too small for."""
        return finite({"n": self.n, "mean": self.mean, "sd": self.sd, "low": self.low, "high": self.high})


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
    """The values as JSON has them: a number that is not finite becomes null."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in values.items()
    }
