"""Kendall's tau: how well two rankings agree."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

BOOTSTRAPS = 2000
MIN_PAIRS = 10  # with fewer, tau is NaN


@dataclass(frozen=True, kw_only=True)
class Tau:
    """Kendall's tau-b and its 95 % interval, over `pairs` pairs; NaN for fewer than MIN_PAIRS."""

    value: float
    low: float
    high: float
    pairs: int


def kendall(a: np.ndarray, b: np.ndarray, near: np.ndarray | None = None) -> float:
    """Tau-b of two scores (n,), over the pairs that `near` (n, n) allows. NaN if all of them are ties."""
    x, y = (np.sign(np.subtract.outer(values, values)) for values in (a, b))
    if near is not None:
        x, y = x * near, y * near
    scale = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / scale if scale else float("nan")


def tau(a: np.ndarray, b: np.ndarray, near: np.ndarray | None = None, seed: int = 0) -> Tau:
    """Tau-b of two scores (n,), with a percentile bootstrap over the n items."""
    return _over_pairs(lambda some: kendall(a[some], b[some], _of(near, some)), len(a), near, seed)


def jackknifed(value: float, without: np.ndarray, pairs: int) -> Tau:
    """A value and its 95 % jackknife interval. without: (g,) the value without each item, or each group of items.

    Unlike a bootstrap, a jackknife can repeat fits for each value, because no item occurs twice in it.
    NaN for too few pairs.
    """
    if pairs < MIN_PAIRS:
        return Tau(value=float("nan"), low=float("nan"), high=float("nan"), pairs=pairs)
    g = len(without)
    error = np.sqrt((g - 1) / g * ((without - without.mean()) ** 2).sum())
    half = float(student.ppf(0.975, g - 1) * error)
    return Tau(value=value, low=value - half, high=value + half, pairs=pairs)


def interval(statistic: Callable[[np.ndarray], float], n: int, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a function of indices (n,); draws that give NaN are skipped."""
    rng = np.random.default_rng(seed)
    found = np.array([statistic(rng.integers(n, size=n)) for _ in range(BOOTSTRAPS)])
    found = found[np.isfinite(found)]
    return tuple(np.quantile(found, [0.025, 0.975]).tolist()) if len(found) else (float("nan"), float("nan"))


def within(costs: np.ndarray, share: float) -> np.ndarray:
    """Bool (n, n): pairs whose costs (n,) differ by at most `share` of the larger one."""
    larger = np.maximum.outer(costs, costs)
    near: np.ndarray = np.abs(np.subtract.outer(costs, costs)) <= share * larger
    return near


def _over_pairs(statistic: Callable[[np.ndarray], float], n: int, near: np.ndarray | None, seed: int) -> Tau:
    pairs = n * (n - 1) // 2 if near is None else int(np.triu(near, 1).sum())
    if pairs < MIN_PAIRS:
        return Tau(value=float("nan"), low=float("nan"), high=float("nan"), pairs=pairs)
    low, high = interval(statistic, n, seed)
    return Tau(value=statistic(np.arange(n)), low=low, high=high, pairs=pairs)


def _of(near: np.ndarray | None, some: np.ndarray) -> np.ndarray | None:
    return None if near is None else near[np.ix_(some, some)]
