"""Numbers that come in pairs: the differences b - a, the ratios b / a."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from fastcifar.statistics.bootstrap import MIN_VALUES, bootstrap_interval
from fastcifar.statistics.estimate import Estimate, finite
from fastcifar.statistics.power import MIN_PAIRS, detectable


@dataclass(frozen=True, kw_only=True)
class Paired:
    """The comparison of n pairs, b - a, in the unit of the numbers.

    a, b: the means. difference: mean of b - a with Student's interval, which decides.
    bootstrap: the studentised bootstrap interval; None for fewer than 5 pairs. A bound may be infinite.
    p_value: that of the two-sided paired t test; None if all differences are the same number other than 0, because a
        test needs a spread.
    detectable: the smallest true difference that n pairs with this spread find in 80 of 100 cases.
    """

    a: float
    b: float
    difference: Estimate
    bootstrap: tuple[float, float] | None
    p_value: float | None
    detectable: float

    def to_dict(self) -> dict[str, Any]:
        """JSON values; null stands for figures that these pairs do not give."""
        low, high = self.bootstrap or (math.nan, math.nan)
        return {
            "a": self.a,
            "b": self.b,
            "difference": self.difference.to_dict() | {"p_value": self.p_value, "detectable": self.detectable},
            "bootstrap": finite({"low": low, "high": high}),
        }


def paired(a: Sequence[float], b: Sequence[float]) -> Paired:
    """Compare pairs a[i], b[i]. Raises ValueError for fewer than MIN_PAIRS, unequal lengths or infinite numbers."""
    first, second = _checked(a, b)
    differences = _without_rounding(second - first, max(abs(first).max(), abs(second).max()))
    n, difference = len(differences), Estimate.student(list(differences))
    bounds = bootstrap_interval(differences) if n >= MIN_VALUES else None
    return Paired(
        a=float(first.mean()),
        b=float(second.mean()),
        difference=difference,
        bootstrap=None if bounds is None else (float(bounds[0]), float(bounds[1])),
        p_value=_p_value(difference),
        detectable=detectable(difference.sd, n),
    )


def ratio(a: Sequence[float], b: Sequence[float]) -> dict[str, float] | None:
    """The geometric mean of b / a with its 95 % interval (Student's, of the logarithms): `mean`, `low`, `high`.

    None where a number is not positive. Raises ValueError as `paired` does.
    """
    first, second = _checked(a, b)
    if min(first.min(), second.min()) <= 0:
        return None
    logs = Estimate.student(list(np.log(second) - np.log(first)))
    return {name: math.exp(getattr(logs, name)) for name in ("mean", "low", "high")}


def _checked(a: Sequence[float], b: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"pairs: as many numbers of a as of b are needed, not {first.shape} and {second.shape}")
    if len(first) < MIN_PAIRS:
        raise ValueError(f"pairs: at least {MIN_PAIRS} are needed for a test, not {len(first)}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("pairs: all numbers have to be finite")
    return first, second


def _without_rounding(differences: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """The differences, replaced by their mean if they differ by rounding only; rounding is not a spread."""
    if np.ptp(differences) > 1e-12 * scale:
        return differences
    middle = float(differences.mean())
    return np.full_like(differences, middle if abs(middle) > 1e-12 * scale else 0)


def _p_value(difference: Estimate) -> float | None:
    if difference.sd == 0:
        return 1.0 if difference.mean == 0 else None
    t = difference.mean / (difference.sd / math.sqrt(difference.n))
    return float(2 * special.stdtr(difference.n - 1, -abs(t)))
