"""What a paired t test of n pairs can tell apart, from the noncentral t distribution (Cohen 1988, ch. 2)."""

from scipy import special

POWER = 0.8
ALPHA = 0.05  # two-sided
MIN_PAIRS = 3  # 2 pairs would find only a difference of 11 standard deviations
MOST = 10**9  # pairs; nobody runs more


def power(effect: float, n: int) -> float:
    """Probability that the test of n pairs (at 5 %) finds a difference of `effect` standard deviations."""
    limit = special.stdtrit(n - 1, 1 - ALPHA / 2)
    shift = abs(effect) * n**0.5
    return float(1 - special.nctdtr(n - 1, shift, limit) + special.nctdtr(n - 1, shift, -limit))


def detectable(sd: float, n: int) -> float:
    """The smallest difference of means that n pairs tell apart with a probability of POWER.

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
    """The fewest pairs, at least MIN_PAIRS, that so tell a difference of `delta` apart; at most MOST.

    sd: standard deviation of the differences of the pairs; itself only as sure as the pairs it was measured on.
    """
    assert delta > 0
    if sd == 0:
        return MIN_PAIRS
    low, high = MIN_PAIRS - 1, MIN_PAIRS
    while high < MOST and power(delta / sd, high) < POWER:
        low, high = high, min(2 * high, MOST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if power(delta / sd, middle) < POWER else (low, middle)
    return high
