"""Intervals of skewed numbers, against values worked out by hand, the parts they are made of, and a simulation."""

import numpy as np
import pytest
from scipy import stats

from fastcifar.statistics import Estimate, bootstrap_interval, few, interval, t_half
from fastcifar.statistics.interval import skewness, skewness_error

LONG_TAIL = [1.0, 1.1, 1.2, 1.3, 4.0]


def test_skewness_is_that_of_scipy():
    values = np.random.default_rng(0).exponential(size=(3, 7))
    np.testing.assert_allclose(skewness(values), stats.skew(values, axis=1, bias=False))
    assert skewness(np.array([2.0, 2.0, 2.0])) == 0
    drawn = skewness(np.random.default_rng(0).normal(size=(20_000, 6)))
    assert skewness_error(6) == pytest.approx(drawn.std(), rel=0.02)


def test_skewed_numbers_have_what_both_intervals_cover():
    values = np.array(LONG_TAIL)
    one, (low, high) = Estimate.of(LONG_TAIL), bootstrap_interval(values)
    student = (values.mean() - t_half(values), values.mean() + t_half(values))
    assert one.skewed and (one.low, one.high) == (student[0], high) and high > student[1] and low > student[0]
    assert one.half == high - one.mean
    assert one.to_dict()["skewed"] and one.to_dict()["high"] == high
    wider = one.wider(2)
    assert (wider.low, wider.high) == pytest.approx((one.mean - 2 * (one.mean - one.low), one.mean + 2 * one.half))


@pytest.mark.parametrize(
    "values", [[1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 1.0, 9.0], [1.0] * 5, [1.0, 1.0, 1.0, 1.0, 2.0], [0.0, 9.0]]
)
def test_others_have_students(values):
    """Those that are even, few, all the same, or so nearly that the bootstrap has no bound."""
    one = Estimate.of(values)
    assert not one.skewed and one == Estimate.student(values)
    assert one.half == t_half(np.array(values))


@pytest.mark.parametrize(("n", "student", "wider"), [(5, 87.4, 90.2), (10, 89.7, 94.0), (20, 91.5, 95.3)])
def test_it_holds_more_often_where_noise_is_exponential(n, student, wider):
    values = np.random.default_rng(n).exponential(size=(3000, n))
    low, high, skewed = interval(values, 499)
    held = 100 * np.mean((low <= 1) & (high >= 1))
    assert 100 * np.mean(abs(values.mean(1) - 1) <= t_half(values)) == pytest.approx(student, abs=0.5)
    assert held == pytest.approx(wider, abs=1) and 0.2 < skewed.mean() < 0.95


def test_few_numbers_are_told():
    """The shares in the line are the least and the largest of two kinds of noise."""
    assert [bool(few(n)) for n in range(7)] == [False, False, True, True, True, False, False]
    for draw, mean, n, share in (("exponential", 1.0, 3, 88), ("lognormal", np.exp(0.5), 4, 82)):
        values = getattr(np.random.default_rng(n), draw)(size=(20_000, n))
        assert 100 * np.mean(abs(values.mean(1) - mean) <= t_half(values)) == pytest.approx(share, abs=1)
        assert str(share) in few(3)
