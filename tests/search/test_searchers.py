import json
from dataclasses import replace

import numpy as np
import pytest

from fastcifar.search import GP, TPE, Batch, Evolution, Grid, History, Random, Space, SpaceExhausted, trial_rng
from fastcifar.search.moves import neighbours

MIXED = Space.from_dict(
    {
        "x": {"_type": "uniform", "_value": [0, 1]},
        "n": {"_type": "randint", "_value": [0, 8]},
        "net": {
            "_type": "choice",
            "_value": [{"_name": "a"}, {"_name": "b", "z": {"_type": "loguniform", "_value": [0.1, 10]}}],
        },
    }
)
FINITE = Space.from_dict(
    {"a": {"_type": "choice", "_value": [1, 2, 3, 4]}, "b": {"_type": "choice", "_value": ["x", "y"]}}
)
SEARCHERS = {
    "random": Random(),
    "TPE": TPE(startup=5),
    "GP": GP(startup=5),
    "evolution": Evolution(population=4, sample=2),
}


def value_of(params):
    net = params["net"]
    return (
        (params["x"] - 0.3) ** 2 + (params["n"] - 5) ** 2 / 20 + (0.5 if net["_name"] == "a" else abs(np.log(net["z"])))
    )


def searched(searcher, trials, maximize=False, seed=0):
    history = History(MIXED, maximize)
    for number in range(trials):
        params = searcher.suggest(MIXED, history, trial_rng(seed, number))
        history.add(params, -value_of(params) if maximize else value_of(params))
    return history


@pytest.mark.parametrize("name", SEARCHERS)
def test_the_same_history_and_seed_give_the_same_suggestion(name):
    searcher = SEARCHERS[name]
    first, again = searched(searcher, 20), searched(searcher, 20)
    np.testing.assert_array_equal(first.rows, again.rows)
    # Nothing is kept between calls: a history that was built in one go is as good as one that grew.
    copy = History(MIXED)
    for row, value in zip(first.rows, first.values, strict=True):
        copy.add(row, value)
    suggestions = [searcher.suggest(MIXED, h, trial_rng(0, 20)) for h in (first, copy)]
    assert suggestions[0] == suggestions[1] != searcher.suggest(MIXED, first, trial_rng(1, 20))


def test_minimise_is_maximise_mirrored():
    np.testing.assert_array_equal(searched(TPE(startup=5), 25).rows, searched(TPE(startup=5), 25, maximize=True).rows)
    assert TPE().best(searched(TPE(), 25)) == TPE().best(searched(TPE(), 25, maximize=True))


def test_tpe_finds_more_than_random():
    """Mean over 20 seeds of the value of the point that is returned."""
    tpe, random = (
        np.mean([value_of(one.best(searched(one, 60, seed=seed))) for seed in range(20)])
        for one in (SEARCHERS["TPE"], SEARCHERS["random"])
    )
    assert tpe < 0.6 * random


@pytest.mark.parametrize("name", [*SEARCHERS, "grid"])
def test_a_finite_space_is_used_up_without_duplicates(name):
    searcher = {**SEARCHERS, "grid": Grid()}[name]
    history = History(FINITE)
    seen = []
    for number in range(8):
        params = searcher.suggest(FINITE, history, trial_rng(0, number))
        seen.append(json.dumps(params))
        history.add(params, float(number % 3) if number != 4 else float("nan"))  # a failed one is not tried again
    assert len(set(seen)) == 8
    with pytest.raises(SpaceExhausted, match="all 8 points"):
        searcher.suggest(FINITE, history, trial_rng(0, 8))


def test_repeats_only_where_asked_for():
    history = History(FINITE)
    for number in range(8):
        history.add(Random().suggest(FINITE, history, trial_rng(0, number)), float(number))
    for searcher in (Random(repeats=True), TPE(startup=5, repeats=True)):
        assert searcher.suggest(FINITE, history, trial_rng(0, 8)) in [FINITE.decode(row) for row in FINITE.points()]


def test_a_neighbour_differs_in_one_parameter_and_what_hangs_on_it():
    rng = np.random.default_rng(0)
    rows = MIXED.sample(rng, 300)
    seen = set()
    for before, after in zip(rows, neighbours(MIXED, rows, rng), strict=True):
        before, after = MIXED.decode(before), MIXED.decode(after)
        changed = [key for key in before if before[key] != after[key]]
        assert len(changed) == 1
        assert 0 <= after["x"] <= 1 and 0 <= after["n"] < 8
        if changed == ["net"]:
            seen.add((before["net"]["_name"], after["net"]["_name"]))
    assert seen == {("a", "b"), ("b", "a"), ("b", "b")}


def test_neighbours_differ_in_more_where_that_is_wanted():
    rng = np.random.default_rng(0)
    rows = np.tile([0.5, 4.0, 0.0, np.nan], (400, 1))
    different = neighbours(MIXED, rows, rng, more=0.5)[:, :3] != rows[:, :3]
    # One of three always; the others with probability 1/2: at least one of the three changes by itself in 7/8.
    assert different.any(1).all()
    assert different.mean() == pytest.approx((1.5 + 1 / 8) / 3, abs=0.05)


def test_a_parameter_with_one_value_stays():
    space = Space.from_dict({"a": {"_type": "choice", "_value": [7]}, "b": {"_type": "choice", "_value": ["x", "y"]}})
    moved = neighbours(space, np.zeros((20, 2)), np.random.default_rng(0))
    np.testing.assert_array_equal(moved, np.tile([0.0, 1.0], (20, 1)))


def test_evolution_mutates_the_best_of_the_young():
    space = Space.from_dict({key: {"_type": "randint", "_value": [0, 100]} for key in ("m", "n")})
    history = History(space)
    history.add({"m": 50, "n": 50}, -9.0)  # the best of all, but old
    for n, value in ((10, 3.0), (30, 1.0), (70, 2.0)):
        history.add({"m": n, "n": n}, value)
    for number in range(20):
        child = Evolution(population=3, sample=3).suggest(space, history, trial_rng(0, number))
        assert [child["m"], child["n"]].count(30) == 1


def test_running_trials_are_not_suggested_again_and_push_away():
    history = searched(TPE(startup=5), 30)
    clear, crowded = [], []
    for number in range(40):
        clear.append(TPE().suggest(MIXED, history, trial_rng(5, number))["x"])
    for _ in range(30):
        history.start({"x": 0.3, "n": 5, "net": {"_name": "b", "z": 1.0}})
    for number in range(40):
        crowded.append(TPE().suggest(MIXED, history, trial_rng(5, number))["x"])
    assert np.mean(np.abs(np.array(crowded) - 0.3)) > np.mean(np.abs(np.array(clear) - 0.3))


def test_repeated_results_of_a_point_count_once_with_their_mean():
    """One lucky result among three does not make a point the best."""
    history = History(FINITE)
    for value in (0.0, 3.0, 3.0):
        history.add({"a": 1, "b": "x"}, value)
    for a in (2, 3, 4):
        history.add({"a": a, "b": "y"}, 1.0 + a / 10)
    assert Random().best(history) == {"a": 2, "b": "y"} and TPE().best(history) == {"a": 2, "b": "y"}


def test_grid_refuses_a_continuous_space():
    with pytest.raises(ValueError, match="can be listed"):
        Grid().suggest(MIXED, History(MIXED), trial_rng(0, 0))


def test_batch_is_its_list():
    trials = [{"a": 1, "b": "x"}, {"a": 1, "b": "x"}, {"a": 4, "b": "y"}]
    history = History(FINITE)
    for number, expected in enumerate(trials):
        assert Batch(trials).suggest(FINITE, history, trial_rng(0, number)) == expected
        history.add(expected, 0.0)
    with pytest.raises(SpaceExhausted, match="all 3 trials"):
        Batch(trials).suggest(FINITE, history, trial_rng(0, 3))
    history = History(FINITE)
    history.add(trials[2], 0.0)  # by an import
    assert [history.add(Batch(trials).suggest(FINITE, history, trial_rng(0, 1)), 0.0) for _ in range(2)] == [1, 2]
    assert history.points.tolist() == [0, 1, 1]


def test_best_needs_a_result():
    for searcher in (Random(), TPE()):
        with pytest.raises(ValueError, match="no trial"):
            searcher.best(History(FINITE))


def test_history():
    history = History(FINITE)
    for number in range(40):
        assert history.start({"a": 1 + number % 4, "b": "x"}, budget=3) == number
    assert len(history) == 40 and history.num_points == 4 and history.points[:6].tolist() == [0, 1, 2, 3, 0, 1]
    history.end(7, 1.5)
    history.end(8, float("inf"))
    history.end(9, None)
    assert history.states[6:10].tolist() == [0, 1, 3, 3] and history.values[7] == 1.5 and np.isnan(history.values[8])
    assert history.budgets[39] == 3
    with pytest.raises(ValueError, match="trial 7 is not running"):
        history.end(7, 1.0)
    with pytest.raises(ValueError, match="trial 99"):
        history.end(99, 1.0)
    with pytest.raises(ValueError, match="'z' is none of its values"):
        history.start({"a": 1, "b": "z"})


def small_sum(params):
    return params["a"] + params["b"] <= 6


LIMITED = replace(
    Space.from_dict({key: {"_type": "randint", "_value": [0, 8]} for key in ("a", "b")}), allowed=small_sum
)


@pytest.mark.parametrize("name", [*SEARCHERS, "grid"])
def test_only_what_is_allowed_is_tried_until_none_is_left(name):
    searcher = {**SEARCHERS, "grid": Grid()}[name]
    history = History(LIMITED)
    for number in range(28):  # of the 64 points
        params = searcher.suggest(LIMITED, history, trial_rng(0, number))
        assert small_sum(params)
        history.add(params, -(params["a"] + 2 * params["b"]))  # the best would be outside
    with pytest.raises(SpaceExhausted, match="tried"):
        searcher.suggest(LIMITED, history, trial_rng(0, 28))


@pytest.mark.parametrize("name", SEARCHERS)
def test_a_continuous_space_in_which_nothing_is_allowed_is_used_up(name):
    space = replace(Space.from_dict({"x": {"_type": "uniform", "_value": [0, 1]}}), allowed=lambda params: False)
    history = History(space)
    for value in range(8):
        history.add({"x": value / 10}, value)
    with pytest.raises(SpaceExhausted, match="none was new and allowed"):
        SEARCHERS[name].suggest(space, history, trial_rng(0, 8))
