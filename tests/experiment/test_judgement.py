"""The word and the line for a confirmation, against intervals worked out by hand."""

import math

import pytest

from fastcifar.experiment.judgement import amount, estimate_of, judge, judged
from fastcifar.statistics import Estimate

TRAINS = {"recipe": {}, "recipe_name": "resnet9-tiny", "metric": "default", "maximize": True}
CALLS = {"recipe": None, "recipe_name": "", "metric": "loss", "maximize": False}


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ([1.0, 2.0, 3.0], "not_shown"),  # 2 ± 2.48, as t(0.975, 2) = 4.303
        ([2.0, 3.0, 4.0], "better"),  # 3 ± 2.48
        ([-2.0, -3.0, -4.0], "worse"),
        ([-1.0, -2.0, -3.0], "not_shown"),
        ([5.0, 5.0, 5.0], "not_shown"),  # without a spread nothing is known of chance
        ([0.0, 0.0, 0.0], "not_shown"),
        ([9.0, 9.1], "not_shown"),  # two pairs are too few, as in `compare`
        ([9.0], "not_shown"),
        ([], "not_shown"),
    ],
)
def test_the_interval_decides(values, word):
    gain, opposite = Estimate.of(values), {"better": "worse", "worse": "better"}
    assert judged(gain, maximize=True) == word
    assert judged(gain, maximize=False) == opposite.get(word, word)


def document(*values):
    one = Estimate.of(values)
    half = one.half if math.isfinite(one.half) else None
    return {"n": one.n, "mean": one.mean if one.n else None, "half_interval": half}


def confirmed(gains, on_test=None, others=1, default=True, **changes):
    point = {"params": {"k": 1}, "result": document(80.0, 82.0, 84.0), "test_acc": None, "trials": [1, 2, 3]}
    return {
        "seeds": 3,
        "best": point,
        "others": [point] * others,
        "default": {**point, "params": {}} if default else None,
        "better_than_default": document(*gains) if default else None,
        "better_on_test": None if on_test is None else document(*on_test),
        "allows_for_choice": True,
        **changes,
    }


@pytest.mark.parametrize(
    ("found", "outcome", "text"),
    [
        (
            confirmed([0.0, 1.0, 2.0], [2.0, 3.0, 4.0]),
            "better",
            "the best of 2 is better than resnet9-tiny: +3.00 ± 2.48 points on test (3 pairs by seed, 95 % interval); "
            "+1.00 ± 2.48 on the holdout, by which it was chosen",
        ),
        (
            confirmed([2.0, 3.0, 4.0], [0.0, 1.0, 2.0], others=0),
            "not_shown",
            "the chosen point is not shown to be better than resnet9-tiny: +1.00 ± 2.48 points on test "
            "(3 pairs by seed, 95 % interval); +3.00 ± 2.48 on the holdout",
        ),
        (
            confirmed([2.0, 3.0, 4.0], [1.0]),
            "not_shown",
            "the best of 2 is not shown to be better than resnet9-tiny: 1 pair finished, 3 are needed; the difference "
            "is +1.00 points on test; +3.00 ± 2.48 on the holdout, by which it was chosen",
        ),
        (  # an older version's interval does not allow for the choice; the factor is 1.2847
            confirmed([2.0, 3.0, 4.0], allows_for_choice=False),
            "not_shown",
            "the best of 2 is not shown to be better than resnet9-tiny: +3.00 ± 3.19 points on the holdout "
            "(3 pairs by seed, 95 % interval that allows for the choice by them)",
        ),
        (
            confirmed([-2.0, -3.0, -4.0], others=0),
            "worse",
            "the chosen point is worse than resnet9-tiny: -3.00 ± 2.48 points on the holdout "
            "(3 pairs by seed, 95 % interval)",
        ),
        (
            confirmed([-9.0, -3.0, 3.0]),
            "not_shown",
            "the best of 2 is not shown to be better than resnet9-tiny: -3.00 ± 14.90 points on the holdout "
            "(3 pairs by seed, 95 % interval that allows for the choice by them)",
        ),
        (
            confirmed([1.0, 3.0]),
            "not_shown",
            "the best of 2 is not shown to be better than resnet9-tiny: 2 pairs finished, 3 are needed; "
            "the difference is +2.00 points on the holdout",
        ),
        (
            confirmed([1.0, 1.0, 1.0]),
            "not_shown",
            "the best of 2 is not shown to be better than resnet9-tiny: the difference is +1.00 points on the "
            "holdout in each of 3 pairs; chance needs a spread",
        ),
        (
            confirmed([0.0, 0.0, 0.0]),
            "not_shown",
            "the best of 2 is not shown to be better than resnet9-tiny: they are equal on the holdout in "
            "each of 3 pairs",
        ),
        (
            confirmed([]),
            "not_shown",
            "the best of 2 is not shown to be better than resnet9-tiny: no pair of trainings finished",
        ),
        (
            confirmed([], default=False),  # 1.3706 times 4.97
            "confirmed",
            "confirmed: the result of the best of 2 is 82.00 ± 6.81 %; the interval allows for the choice",
        ),
        (
            confirmed([], default=False, others=0),
            "confirmed",
            "confirmed: the result of the chosen point is 82.00 ± 4.97 %",
        ),
        (None, "not_confirmed", "not confirmed: the results are of the search's own trials"),
    ],
)
def test_the_line(found, outcome, text):
    judgement = judge(TRAINS, found)
    assert (judgement.outcome, judgement.text) == (outcome, text)


def test_less_is_better_where_it_is_minimized():
    judgement = judge({**CALLS, "recipe_name": "it"}, confirmed([-0.002, -0.003, -0.004]))
    assert judgement.outcome == "better" and "-0.003 ± 0.0025 of loss" in judgement.text


def test_amounts():
    assert amount(Estimate.of([84.125]), percent=True) == "84.12 %"
    assert amount(Estimate.of([80.0, 82.0, 84.0]), percent=True) == "82.00 ± 4.97 %"
    assert amount(Estimate.of([0.00123456]), percent=False) == "0.00123456"
    assert amount(Estimate.of([]), percent=False) == "-"
    assert estimate_of(None).n == 0 and estimate_of(document(1.0)).half == math.inf
