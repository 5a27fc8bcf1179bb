"""The interval of what was chosen as the best of several: the numbers that choose are lucky for the chosen one."""

from functools import lru_cache

import numpy as np
from scipy import special

NODES = 64


@lru_cache(maxsize=256)
def selection_factor(n: int, candidates: int, shared: float = 1.0, against_other: bool = True) -> float:
    """By how much Student's 95 % interval of n numbers has to be wider for the best of `candidates`.

    Exact for candidates that are equally good, with normal noise of one size; where they differ, luck decides less and
    the wider interval holds more often. The candidate with the best mean was chosen.
    shared: correlation of the noise of the numbers that chose with that of those that judge; 1 where they are the
        same numbers, 0 where the choice says nothing of them.
    against_other: the interval is of a difference to something that was not in the choice and has noise of its own.
    """
    assert n >= 2 and candidates >= 1 and 0 <= shared <= 1
    student = float(special.stdtrit(n - 1, 0.975))
    low, high = student, float(special.stdtrit(n - 1, 1 - 0.025 / candidates))  # of as many candidates, any beyond
    if low == high or shared == 0:
        return 1.0
    shift, weights = _shifts(candidates, shared, against_other)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _beyond(middle, n, shift, weights) > 0.025 else (low, middle)
    return high / student


def _shifts(candidates: int, shared: float, against_other: bool) -> tuple[np.ndarray, np.ndarray]:
    """The mean noise of the chosen one, less the other's, in standard errors: values and their probabilities."""
    points, mass = np.polynomial.legendre.leggauss(NODES)
    best = special.ndtri(((points + 1) / 2) ** (1 / candidates))  # the largest of so many normal numbers
    rest, chance = np.polynomial.hermite_e.hermegauss(NODES)
    others = np.sqrt(1 - shared**2 + against_other)
    shift = (shared * best[:, None] + others * rest) / np.sqrt(1 + against_other)
    return shift, np.outer(mass / mass.sum(), chance / chance.sum())


def _beyond(limit: float, n: int, shift: np.ndarray, weights: np.ndarray) -> float:
    """The probability that the shift is more than `limit` standard errors, as they are estimated from n numbers."""
    smaller = special.chdtr(n - 1, (n - 1) * (np.maximum(shift, 0) / limit) ** 2)
    return float((smaller * weights).sum())
