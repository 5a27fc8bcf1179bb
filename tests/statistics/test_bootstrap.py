import math

import numpy as np
import pytest

from fastcifar.statistics import bootstrap_interval


@pytest.mark.parametrize("n", [5, 10, 20])
def test_it_holds_the_mean_in_95_of_100(n):
    values = np.random.default_rng(n).normal(3, 2, (4000, n))
    low, high = bootstrap_interval(values, resamples=999)
    assert 0.935 < np.mean((low <= 3) & (high >= 3)) < 0.97


def test_it_is_what_a_plain_loop_gives():
    values = np.random.default_rng(3).exponential(size=8)
    rng, ts = np.random.default_rng(4), []
    for _ in range(20_000):
        drawn = rng.choice(values, 8)
        if np.ptp(drawn):
            ts.append((drawn.mean() - values.mean()) / drawn.std(ddof=1))
    plain = values.mean() - np.quantile(ts, [0.975, 0.025]) * values.std(ddof=1)
    assert bootstrap_interval(values) == pytest.approx(plain, rel=0.05)


def test_one_at_a_time_or_all_at_once():
    values = np.random.default_rng(5).normal(size=(3, 2, 6))
    low, high = bootstrap_interval(values)
    assert low.shape == high.shape == (3, 2)
    assert bootstrap_interval(values[2, 1]) == pytest.approx((low[2, 1], high[2, 1]), rel=1e-9)


def test_numbers_without_a_spread():
    assert bootstrap_interval(np.full(6, 0.1)) == pytest.approx((0.1, 0.1), abs=1e-15)


def test_many_equal_numbers_leave_a_bound_open():
    """Four of five are the same: a third of the resamples has no spread, and lies below the mean."""
    low, high = bootstrap_interval(np.array([1.0, 1, 1, 1, 2]))
    assert math.isfinite(low) and low < 1.2 and high == math.inf
