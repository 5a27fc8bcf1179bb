"""Kendall's tau against scipy's, and what its interval covers."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from fastcifar.statistics.tau import kendall, tau, tau_gain, within


def test_it_is_scipys_with_ties_and_without():
    rng = np.random.default_rng(0)
    for values in (rng.standard_normal, lambda n: rng.integers(0, 4, n).astype(float)):
        a, b = values(30), values(30)
        assert kendall(a, b) == pytest.approx(kendalltau(a, b)[0])
    assert np.isnan(kendall(np.ones(5), np.arange(5.0)))


def test_only_near_pairs_count():
    costs = np.array([100.0, 104, 200, 209, 300])
    near = within(costs, 0.05)
    assert near[0, 1] and near[2, 3] and not near[0, 2]
    a, b = np.array([1.0, 2, 9, 8, 0]), np.array([1.0, 2, 3, 4, 5])
    assert kendall(a, b, near) == 0  # one of the two pairs each way


def test_a_few_pairs_say_nothing():
    """Their bootstrap would have no width at all."""
    costs, values = np.array([100.0, 104, 200, 300, 400]), np.arange(5.0)
    few = tau(values, values, within(costs, 0.05))
    assert few.pairs == 1 and np.isnan([few.value, few.low, few.high]).all()
    assert np.isnan(tau_gain(values, -values, values, within(costs, 0.05)).value)


def test_the_interval_covers_the_truth():
    """Of normal numbers with correlation r, tau is 2/pi arcsin r."""
    rng, inside = np.random.default_rng(1), 0
    truth = 2 / np.pi * np.arcsin(0.7)
    for seed in range(60):
        a = rng.standard_normal(40)
        b = 0.7 * a + np.sqrt(1 - 0.49) * rng.standard_normal(40)
        found = tau(a, b, seed=seed)
        inside += found.low <= truth <= found.high
    assert inside >= 50


def test_the_gain_is_the_difference_and_is_paired():
    rng = np.random.default_rng(2)
    truth = rng.standard_normal(40)
    good, bad = truth + 0.3 * rng.standard_normal(40), truth + 3 * rng.standard_normal(40)
    gain = tau_gain(good, bad, truth)
    assert gain.value == pytest.approx(kendalltau(good, truth)[0] - kendalltau(bad, truth)[0])
    assert 0 < gain.low < gain.value < gain.high
    none = tau_gain(good, good, truth)
    assert (none.low, none.value, none.high) == (0, 0, 0)
