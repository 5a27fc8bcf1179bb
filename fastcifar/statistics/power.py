"""The power of a paired t test of n pairs, from the noncentral t distribution (Cohen 1988, ch. 2)."""

from scipy import special

POWER = 0.8
ALPHA = 0.05  # two-sided
MIN_PAIRS = 3  # 2 pairs would find only a difference of 11 standard deviations
MAX_PAIRS = 10**9  # nobody runs more


def power(effect: float, n: int) -> float:
    """Probability that the test of n pairs (at 5 %) finds a difference of `effect` standard deviations."""
    limit = special.stdtrit(n - 1, 1 - ALPHA / 2)
    shift = abs(effect) * n**0.5
    return float(1 - special.nctdtr(n - 1, shift, limit) + special.nctdtr(n - 1, shift, -limit))


def detectable(sd: float, n: int) -> float:
    """The smallest difference of means that n pairs detect with probability POWER.

    sd: standard deviation of the differences of the pairs.
    """
    low, high = 0.0, 1.0
    while power(high, n) < POWER:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if power(middle, n) < POWER else (low, middle)
    return high * sd


def pairs_needed(sd: float, delta: float) -> int:
    """The smallest number of pairs that detects a difference of `delta`, from MIN_PAIRS to MAX_PAIRS.

    sd: standard deviation of the differences of the pairs; the result is as uncertain as this estimate.
    """
    assert delta > 0
    if sd == 0:
        return MIN_PAIRS
    low, high = MIN_PAIRS - 1, MIN_PAIRS
    while high < MAX_PAIRS and power(delta / sd, high) < POWER:
        low, high = high, min(2 * high, MAX_PAIRS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if power(delta / sd, middle) < POWER else (low, middle)
    return high
