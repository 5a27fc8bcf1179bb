"""Estimates against a table of Student's t; points to confirm, winner and Pareto fronts against plain definitions."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcifar.experiment.confirm import (
    candidates,
    chosen_gain,
    difference,
    pareto,
    points_to_confirm,
    shared_luck,
    winner,
)
from fastcifar.experiment.store.store import TrialRow
from fastcifar.search import FAILED, GP, STOPPED, History, Hyperband, Random, Space
from fastcifar.statistics import Estimate, selection_factor

SPACE = Space.from_dict({"k": {"_type": "choice", "_value": [0, 1, 2, 3, 4]}})


def row(number, value=None, params=None, seed=0, **metrics):
    state = "failed" if value is None else "finished"
    params = {"k": number} if params is None else params
    trial = TrialRow(number=number, kind="confirm", params=params, seed=seed, started=0.0)
    return replace(trial, state=state, value=value, metrics=metrics, ended=1.0)


def test_estimate_by_hand():
    """Standard deviation 1, so half is t / sqrt(3) with t(0.975, 2) = 4.302653 from a table."""
    three = Estimate.of([93.0, 94.0, 95.0])
    assert (three.n, three.mean) == (3, 94.0) and three.half == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert str(three) == "94.00 ± 2.48 (n 3)"
    two = Estimate.of([1.0, 2.0])  # sd = 1 / sqrt(2), t(0.975, 1) = 12.7062
    assert two.half == pytest.approx(12.7062 / 2, rel=1e-5)
    assert Estimate.of([5.0, 5.0]) == Estimate(n=2, mean=5.0, sd=0.0, half=0.0)


def test_estimates_of_too_little():
    one, none = Estimate.of([93.5]), Estimate.of([])
    assert (one.n, one.mean, one.half, str(one)) == (1, 93.5, math.inf, "93.50 (n 1)")
    assert none.n == 0 and math.isnan(none.mean) and none.half == math.inf and str(none) == "none"


def history(*values, maximize=True):
    """Trials of (option, value); None is a failure, a tuple a stopped trial."""
    found = History(SPACE, maximize)
    for option, value in values:
        state = FAILED if value is None else STOPPED if isinstance(value, tuple) else 1
        found.add({"k": option}, value[0] if isinstance(value, tuple) else value, state=state)
    return found


@pytest.mark.parametrize(("maximize", "order"), [(True, [2, 1, 0]), (False, [0, 1, 2])])
def test_points_to_confirm_are_in_order_of_their_means(maximize, order):
    """Option 1 has the luckiest and the worst result, mean 5; 3 was stopped, 4 has failed."""
    found = history((0, 1.0), (1, 10.0), (2, 8.0), (1, 0.0), (3, (6.0,)), (4, None), maximize=maximize)
    for count in range(7):
        assert [params["k"] for params in points_to_confirm(Random(), found, count)] == order[:count]


def test_the_searchers_estimate_comes_first():
    class Stubborn:
        def best(self, history):
            return {"k": 0}

    found = history((0, 1.0), (1, 2.0), (2, 3.0))
    assert [params["k"] for params in points_to_confirm(Stubborn(), found, 3)] == [0, 2, 1]
    assert points_to_confirm(GP(), history((3, 1.0)), 2) == [{"k": 3}]


def test_points_to_confirm_of_hyperband_have_no_budget():
    found = History(SPACE, True, budget="epochs")
    for option, budget, value in [(0, 1, 9.0), (1, 1, 5.0), (2, 3, 7.0)]:
        found.add({"k": option, "epochs": budget}, value)
    assert points_to_confirm(Hyperband(low=1, high=3), found, 3) == [{"k": 2}, {"k": 0}, {"k": 1}]


def test_candidates_and_the_winner():
    rows = [
        row(0, 93.0, {"k": 1, "l": 2}, 0, test_acc=92.0),
        row(1, 95.0, {"k": 2}, 0, test_acc=94.0),
        row(2, 94.0, {"l": 2, "k": 1}, 1),
        row(3, None, {"k": 2}, 1),
    ]
    first, second = candidates(rows)
    assert first.rows == (rows[0], rows[2]) and second.rows == (rows[1], rows[3])
    assert (first.result.n, first.result.mean, first.test.n, first.test.mean) == (2, 93.5, 1, 92.0)
    assert winner([first, second], True) is first  # the other's single result is better, but it failed once
    assert winner([first, candidates([replace(rows[1]), row(4, 92.5, {"k": 2}, 1)])[0]], True).result.mean == 93.75
    assert winner([first, candidates([replace(rows[1]), row(4, 92.5, {"k": 2}, 1)])[0]], False) is first
    assert winner(candidates([rows[3]]), True) is None and winner([], True) is None


def test_the_difference_is_paired_by_seed():
    """Great differences between seeds, small ones between points: 1, 2, 3 by seed; seeds without a partner go."""
    one = candidates([row(n, value, {"k": 1}, n, test_acc=value) for n, value in enumerate([11.0, 52.0, 93.0, 7.0])])
    others = [row(n, value, {}, n, test_acc=value + 1) for n, value in [(2, 90.0), (1, 50.0), (0, 10.0), (5, 0.0)]]
    other = candidates([*others, row(3, None, {}, 3)])
    assert difference(one[0], other[0]) == Estimate.of([1.0, 2.0, 3.0])
    assert difference(one[0], other[0]).mean == 2.0
    assert difference(one[0], other[0], "test_acc").mean == 1.0
    assert difference(one[0], other[0], "nothing").n == 0
    assert difference(one[0], candidates([row(9, None, {}, 0)])[0]).n == 0


def beats(one, other, sign):
    better = sign * one.value >= sign * other.value and one.metrics["cost"] <= other.metrics["cost"]
    return better and (sign * one.value > sign * other.value or one.metrics["cost"] < other.metrics["cost"])


@given(st.lists(st.tuples(st.none() | st.integers(0, 6), st.integers(0, 6)), max_size=12), st.booleans(), st.randoms())
def test_pareto_is_what_nothing_beats(results, maximize, rng):
    rows = [row(number, value, cost=cost) for number, (value, cost) in enumerate(results)]
    having = [one for one in rows if one.value is not None]
    sign = 1 if maximize else -1
    expected = {
        (one.value, one.metrics["cost"]) for one in having if not any(beats(other, one, sign) for other in having)
    }
    front = pareto(rows, "cost", maximize)
    assert [(one.value, one.metrics["cost"]) for one in front] == sorted(expected, key=lambda pair: pair[1])
    for one in front:  # of equal trials the first
        same = [other for other in having if (other.value, other.metrics) == (one.value, one.metrics)]
        assert one is same[0]
    rng.shuffle(rows)
    shuffled = pareto(rows, "cost", maximize)
    assert [(one.value, one.metrics) for one in shuffled] == [(one.value, one.metrics) for one in front]


def test_pareto_passes_over_what_is_no_cost():
    rows = [
        row(0, 1.0),
        row(1, 2.0, cost="much"),
        row(2, 3.0, cost=math.nan),
        row(3, 4.0, cost=None),
        row(4, 0.0, cost=2),
    ]
    stopped = replace(row(5, 9.0, cost=1), state="stopped")
    assert pareto([*rows, stopped], "cost", True) == [rows[4]]


def points(**values):
    """Candidates by name; each result comes with a test accuracy."""
    return {
        name: candidates([row(i, value, {"k": name}, seed=i, test_acc=test) for i, (value, test) in enumerate(pairs)])[
            0
        ]
        for name, pairs in values.items()
    }


def test_luck_that_result_and_test_share():
    """Moves from the means of each: (-1, 0, 1) with (-1, 0, 1), then (-1, 0, 1) with (1, 0, -1)."""
    same = points(a=[(1, 11), (2, 12), (3, 13)], b=[(7, 5), (8, 6), (9, 7)])
    assert shared_luck(list(same.values()), "test_acc") == pytest.approx(1)
    mixed = points(a=[(1, 11), (2, 12), (3, 13)], b=[(7, 7), (8, 6), (9, 5)], c=[(1, 2), (2, 4), (3, 6)])
    assert shared_luck(list(mixed.values()), "test_acc") == pytest.approx((2 - 2 + 4) / (6 * 12) ** 0.5)
    assert shared_luck(list(mixed.values())[1:2], "test_acc") == 0
    assert shared_luck([], "test_acc") == shared_luck(list(points(a=[(1, 1)]).values()), "test_acc") == 1


def test_the_interval_of_the_chosen_is_wider_by_its_luck():
    found = points(a=[(5, 5), (7, 6), (9, 10)], b=[(4, 1), (5, 3), (3, 2)], default=[(1, 1), (2, 3), (4, 2)])
    best, other, default = found.values()
    gain = chosen_gain(best, [other], default)
    assert gain.half == pytest.approx(difference(best, default).half * selection_factor(3, 2))
    test, shared = chosen_gain(best, [other], default, "test_acc"), shared_luck([best, other, default], "test_acc")
    assert test.half == pytest.approx(difference(best, default, "test_acc").half * selection_factor(3, 2, shared))
    assert chosen_gain(best, [], default) == difference(best, default)
    assert 0 < shared < 1 and test.mean == pytest.approx(5)
