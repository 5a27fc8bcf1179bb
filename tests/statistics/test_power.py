import numpy as np
import pytest
from scipy import stats

from fastcifar.statistics import MIN_PAIRS, detectable, pairs_needed, power


@pytest.mark.parametrize(("effect", "n"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_pairs_needed_as_in_the_tables(effect, n):
    """What G*Power and R's `pwr.t.test(type="paired")` give for 80 % at 5 %, two-sided."""
    assert pairs_needed(1, effect) == n == pairs_needed(3, 3 * effect)
    assert power(effect, n) >= 0.8 > power(effect, n - 1)


@pytest.mark.parametrize("n", [3, 5, 10, 20])
def test_a_detectable_difference_is_found_in_80_of_100(n):
    values = np.random.default_rng(n).normal(detectable(2, n), 2, (20_000, n))
    found = np.mean(stats.ttest_1samp(values, 0, axis=1).pvalue < 0.05)
    assert abs(found - 0.8) < 0.012  # four standard errors


def test_without_a_difference_it_is_found_in_5_of_100():
    assert power(0, 7) == pytest.approx(0.05)


def test_the_pairs_needed_find_what_is_detectable():
    for n in (4, 9, 50):
        assert pairs_needed(1.7, detectable(1.7, n) * 1.0001) == n


def test_the_ends():
    assert pairs_needed(0, 0.1) == pairs_needed(1, 100) == MIN_PAIRS
    assert pairs_needed(1, 1e-9) == 10**9
    assert detectable(0, 5) == 0
