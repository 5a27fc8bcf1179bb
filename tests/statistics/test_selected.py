"""The interval of the best of several, against a simulation of equal candidates."""

import numpy as np
import pytest
from scipy import special

from fastcifar.statistics import Estimate, selection_factor

SEARCHES = 40_000  # the standard error of a share of 2.5 % is 0.08 points


def claimed_better(n, candidates, shared=1.0, against_other=True):
    """How often the best of equal candidates is claimed to be better: by Student's interval, and by the wider one."""
    rng = np.random.default_rng(0)
    results = rng.normal(size=(SEARCHES, candidates, n))
    chosen = results[np.arange(SEARCHES), results.mean(2).argmax(1)]
    judged = shared * chosen + np.sqrt(1 - shared**2) * rng.normal(size=chosen.shape)
    if against_other:
        judged = judged - rng.normal(size=judged.shape)
    half = special.stdtrit(n - 1, 0.975) * judged.std(1, ddof=1) / np.sqrt(n)
    factor = selection_factor(n, candidates, shared, against_other)
    return 100 * np.mean(judged.mean(1) > half), 100 * np.mean(judged.mean(1) > factor * half)


@pytest.mark.parametrize(
    ("n", "candidates", "shared", "against_other", "plain"),
    [
        (3, 2, 1.0, True, 4.0),  # 2x3, the default of a search
        (3, 5, 1.0, True, 6.6),
        (3, 10, 1.0, True, 8.9),
        (3, 10, 0.0, True, 2.5),  # test images on which training is no luckier than elsewhere
        (3, 5, 0.7, True, 5.2),
        (2, 3, 1.0, True, 4.6),
        (5, 5, 0.3, True, 3.8),
        (3, 2, 1.0, False, 4.5),
        (6, 1, 1.0, True, 2.5),
    ],
)
def test_equal_candidates_are_claimed_to_be_better_as_often_as_it_says(n, candidates, shared, against_other, plain):
    by_student, wider = claimed_better(n, candidates, shared, against_other)
    assert by_student == pytest.approx(plain, abs=0.4)
    assert wider == pytest.approx(2.5, abs=0.3)


def test_factors():
    assert selection_factor(3, 1) == selection_factor(3, 9, shared=0.0) == 1
    assert 1 < selection_factor(3, 2, 0.3) < selection_factor(3, 2) < selection_factor(3, 4)
    # Very many numbers: the 97.5 % point of (the largest of 2 normal numbers less another) / sqrt(2), over 1.96.
    assert selection_factor(10_000, 2) == pytest.approx(1.1247, abs=2e-3)
    assert Estimate.of([1.0, 2.0, 3.0]).half * selection_factor(3, 2) == pytest.approx(2.4841 * 1.2847, abs=1e-3)
