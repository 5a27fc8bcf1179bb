"""The interval of the best of several candidates, corrected for the luck of the chosen one."""

from functools import lru_cache

import numpy as np
from scipy import special

NODES = 64


@lru_cache(maxsize=256)
def selection_factor(n: int, candidates: int, shared: float = 1.0, against_other: bool = True) -> float:
    """The factor by which Student's 95 % interval of n numbers must be wider for the best of `candidates`.

    The candidate with the best mean is chosen. The factor is exact for equally good candidates with normal noise of
    one size. Where candidates differ, luck decides less, and the wider interval holds more often.
    shared: correlation between the noise of the numbers that choose and of the numbers that judge; 1 if they are the
        same numbers, 0 if they are independent.
    against_other: the interval is of a difference to something outside the choice, which has independent noise.
    """
    assert n >= 2 and candidates >= 1 and 0 <= shared <= 1
    student = float(special.stdtrit(n - 1, 0.975))
    low, high = student, float(special.stdtrit(n - 1, 1 - 0.025 / candidates))  # Bonferroni's bound
    if low == high or shared == 0:
        return 1.0
    shift, weights = _shifts(candidates, shared, against_other)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _beyond(middle, n, shift, weights) > 0.025 else (low, middle)
    return high / student


def _shifts(candidates: int, shared: float, against_other: bool) -> tuple[np.ndarray, np.ndarray]:
    """The chosen one's mean noise, minus the other's, in standard errors: values and their probabilities."""
    points, mass = np.polynomial.legendre.leggauss(NODES)
    best = special.ndtri(((points + 1) / 2) ** (1 / candidates))  # the largest of so many normal numbers
    rest, chance = np.polynomial.hermite_e.hermegauss(NODES)
    others = np.sqrt(1 - shared**2 + against_other)
    shift = (shared * best[:, None] + others * rest) / np.sqrt(1 + against_other)
    return shift, np.outer(mass / mass.sum(), chance / chance.sum())


def _beyond(limit: float, n: int, shift: np.ndarray, weights: np.ndarray) -> float:
    """The probability that the shift exceeds `limit` standard errors, as estimated from n numbers."""
    smaller = special.chdtr(n - 1, (n - 1) * (np.maximum(shift, 0) / limit) ** 2)
    return float((smaller * weights).sum())
