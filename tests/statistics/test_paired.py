import math

import numpy as np
import pytest
from scipy import stats

from fastcifar.statistics import detectable, paired, ratio


def test_it_agrees_with_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(5, 1, 9), rng.normal(6, 1, 9)
    found, theirs = paired(a, b), stats.ttest_rel(b, a)
    assert found.p_value == pytest.approx(theirs.pvalue)
    interval = theirs.confidence_interval(0.95)
    assert (found.difference.low, found.difference.high) == pytest.approx((interval.low, interval.high))
    assert (found.a, found.b) == pytest.approx((a.mean(), b.mean()))
    assert found.detectable == detectable(np.std(b - a, ddof=1), 9)


@pytest.mark.parametrize("n", [5, 10])
def test_a_recipe_and_itself_are_equal_in_95_of_100(n):
    """Accuracies as they are: shares of 10,000 images. Both intervals cover zero, as often as they say."""
    rng = np.random.default_rng(n)
    found = [paired(*rng.binomial(10_000, 0.94, (2, n)) / 10_000) for _ in range(400)]
    by_t = np.mean([one.difference.low <= 0 <= one.difference.high for one in found])
    by_bootstrap = np.mean([one.bootstrap[0] <= 0 <= one.bootstrap[1] for one in found])
    assert 0.92 < by_t < 0.98 and 0.92 < by_bootstrap < 0.98
    assert by_t == np.mean([one.p_value >= 0.05 for one in found])


def test_the_difference_is_b_less_a_in_both_intervals():
    found = paired([1, 2, 3, 4, 5], [3, 4, 5.1, 6, 7])
    assert found.difference.mean == pytest.approx(2.02) and found.difference.low > 1.9 and found.bootstrap[0] > 1.9


def test_no_spread():
    same = paired([0.5, 0.25, 0.75], [0.5, 0.25, 0.75])
    assert (same.difference.mean, same.difference.half, same.p_value, same.detectable) == (0, 0, 1, 0)
    shifted = paired([0.1, 0.2, 0.3], [0.2, 0.3, 0.4])  # differ in the last digits of a float
    assert shifted.difference.sd == 0 and shifted.p_value is None


def test_few_pairs_have_no_bootstrap():
    few = paired([1, 2, 3, 4], [2, 2, 3, 5])
    assert few.bootstrap is None and few.to_dict()["bootstrap"] == {"low": None, "high": None}
    assert paired([1, 2, 3, 4, 5], [2, 2, 3, 5, 7]).bootstrap is not None


def test_ratios():
    found = ratio([1, 2, 4], [2, 4, 8])
    assert found == pytest.approx({"mean": 2, "low": 2, "high": 2})
    logs = np.log([2, 3, 4])
    half = 4.302653 * logs.std(ddof=1) / 3**0.5
    low, high = math.exp(logs.mean() - half), math.exp(logs.mean() + half)
    assert ratio([1, 1, 1], [2, 3, 4]) == pytest.approx({"mean": 24 ** (1 / 3), "low": low, "high": high}, rel=1e-6)
    assert ratio([0, 1, 2], [1, 1, 1]) is None


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ([1, 2], [1, 2], "at least 3 are needed for a test, not 2"),
        ([1, 2, 3], [1, 2, 3, 4], "as many numbers"),
        ([1, 2, 3], [1, 2, math.nan], "finite"),
    ],
)
def test_what_cannot_be_compared(a, b, words):
    for compare in (paired, ratio):
        with pytest.raises(ValueError, match=words):
            compare(a, b)
