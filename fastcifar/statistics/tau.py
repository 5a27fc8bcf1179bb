"""Kendall's tau: how well one order of things agrees with another."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

BOOTSTRAPS = 2000
FEW = 10  # pairs, of which fewer say nothing


@dataclass(frozen=True, kw_only=True)
class Tau:
    """Kendall's tau-b and its 95 % interval, over `pairs` pairs; NaN where they are fewer than FEW."""

    value: float
    low: float
    high: float
    pairs: int


def kendall(a: np.ndarray, b: np.ndarray, near: np.ndarray | None = None) -> float:
    """Tau-b of two scores (n,); of the pairs that `near` (n, n) allows only. NaN where all of them are ties."""
    x, y = (np.sign(np.subtract.outer(values, values)) for values in (a, b))
    if near is not None:
        x, y = x * near, y * near
    scale = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / scale if scale else float("nan")


def tau(a: np.ndarray, b: np.ndarray, near: np.ndarray | None = None, seed: int = 0) -> Tau:
    """Tau-b of two scores (n,), with a percentile bootstrap over the n things."""
    return _over_pairs(lambda some: kendall(a[some], b[some], _of(near, some)), len(a), near, seed)


def jackknifed(value: float, without: np.ndarray, pairs: int) -> Tau:
    """A value and its 95 % interval, from the values `without` (g,) one thing each, or one group of them.

    Unlike a bootstrap, it can make what is judged anew each time, such as fits, without a thing that is there twice.
    NaN where the pairs are too few.
    """
    if pairs < FEW:
        return Tau(value=float("nan"), low=float("nan"), high=float("nan"), pairs=pairs)
    g = len(without)
    error = np.sqrt((g - 1) / g * ((without - without.mean()) ** 2).sum())
    half = float(student.ppf(0.975, g - 1) * error)
    return Tau(value=value, low=value - half, high=value + half, pairs=pairs)


def interval(statistic: Callable[[np.ndarray], float], n: int, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a function of indices (n,); draws that give NaN are passed over."""
    rng = np.random.default_rng(seed)
    found = np.array([statistic(rng.integers(n, size=n)) for _ in range(BOOTSTRAPS)])
    found = found[np.isfinite(found)]
    return tuple(np.quantile(found, [0.025, 0.975]).tolist()) if len(found) else (float("nan"), float("nan"))


def within(costs: np.ndarray, share: float) -> np.ndarray:
    """Which pairs (n, n) differ by at most `share` of the larger in a cost (n,)."""
    larger = np.maximum.outer(costs, costs)
    near: np.ndarray = np.abs(np.subtract.outer(costs, costs)) <= share * larger
    return near


def _over_pairs(statistic: Callable[[np.ndarray], float], n: int, near: np.ndarray | None, seed: int) -> Tau:
    pairs = n * (n - 1) // 2 if near is None else int(np.triu(near, 1).sum())
    if pairs < FEW:
        return Tau(value=float("nan"), low=float("nan"), high=float("nan"), pairs=pairs)
    low, high = interval(statistic, n, seed)
    return Tau(value=statistic(np.arange(n)), low=low, high=high, pairs=pairs)


def _of(near: np.ndarray | None, some: np.ndarray) -> np.ndarray | None:
    return None if near is None else near[np.ix_(some, some)]
