"""Student's interval of a mean, over the last axis of any array."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special


def t_half(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half the width of Student's 95 % interval of the mean of values (..., n), n at least 2."""
    n = values.shape[-1]
    half: NDArray[np.float64] = special.stdtrit(n - 1, 0.975) * spread(values) / math.sqrt(n)
    return half


def spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of values (..., n), with n - 1; exactly 0, without rounding error, if all are equal."""
    sd: NDArray[np.float64] = np.where(np.ptp(values, -1) == 0, 0, values.std(-1, ddof=1))
    return sd
