"""Kendall's tau against scipy's, and what its interval covers."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from fastcifar.statistics import t_half
from fastcifar.statistics.tau import BOOTSTRAPS, jackknifed, kendall, tau, within


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


@pytest.mark.parametrize("draws", [500, pytest.param(BOOTSTRAPS, marks=pytest.mark.slow)])
def test_the_interval_covers_the_truth(monkeypatch, draws):
    """Of normal numbers with correlation r, tau is 2/pi arcsin r."""
    monkeypatch.setattr("fastcifar.statistics.tau.BOOTSTRAPS", draws)
    rng, inside = np.random.default_rng(1), 0
    truth = 2 / np.pi * np.arcsin(0.7)
    for seed in range(60):
        a = rng.standard_normal(40)
        b = 0.7 * a + np.sqrt(1 - 0.49) * rng.standard_normal(40)
        found = tau(a, b, seed=seed)
        inside += found.low <= truth <= found.high
    assert inside >= 50


def test_a_jackknife_of_a_mean_is_students_interval():
    values = np.random.default_rng(2).standard_normal(12)
    found = jackknifed(values.mean(), np.array([np.delete(values, one).mean() for one in range(12)]), 66)
    assert found.value == values.mean() and found.pairs == 66
    assert found.high - found.value == pytest.approx(found.value - found.low) == pytest.approx(t_half(values))
    assert np.isnan(jackknifed(1.0, values, 9).low)
