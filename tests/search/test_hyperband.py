import numpy as np
import pytest
from operations import operations

from fastcifar.search import TPE, History, Hyperband, Space, SpaceExhausted, hyperband_brackets, trial_rng
from fastcifar.search.history import FAILED, FINISHED, RUNNING, STOPPED

SPACE = Space.from_dict({"x": {"_type": "uniform", "_value": [0, 1]}})


def test_the_published_table():
    """Li et al. 2018, table 1: R = 81, eta = 3."""
    assert hyperband_brackets(1, 81, 3) == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(27, 3), (9, 9), (3, 27), (1, 81)],
        [(9, 9), (3, 27), (1, 81)],
        [(6, 27), (2, 81)],
        [(5, 81)],
    ]
    assert hyperband_brackets(5, 5, 3) == [[(1, 5)]]


def play(searcher, trials, at_once=1, seed=0):
    """Run trials whose loss is |x - 0.3| + 1 / budget, ending in the order of their start."""
    history = History(SPACE, budget="total_epoch")
    running = []
    for number in range(trials):
        params = searcher.suggest(SPACE, history, trial_rng(seed, number))
        running.append((history.start(params), params))
        if len(running) == at_once:
            trial, params = running.pop(0)
            history.end(trial, abs(params["x"] - 0.3) + 1 / params["total_epoch"])
    return history


def test_brackets_are_played_in_order_and_the_best_go_on():
    searcher = Hyperband(high=9)
    history = play(searcher, 9 + 3 + 1 + 3 + 1 + 3)
    assert history.budgets.tolist() == [1] * 9 + [3] * 3 + [9] + [3] * 3 + [9] + [9] * 3
    losses = history.losses[:9]
    assert history.points[9:12].tolist() == np.argsort(losses)[:3].tolist()
    assert history.points[12] == np.argmin(losses)
    assert history.points[13:16].tolist() == [13, 14, 15]  # new ones
    assert (
        searcher.best(history)["x"]
        == SPACE.decode(history.rows[np.argmin(np.where(history.budgets == 9, history.losses, 9))])["x"]
    )


def test_successive_halving_repeats_one_bracket():
    history = play(Hyperband(high=4, eta=2, halving=True), 14)
    assert history.budgets.tolist() == [1, 1, 1, 1, 2, 2, 4] * 2


def test_parallel_trials_never_wait_and_waste_nothing():
    history = play(Hyperband(high=9), 60, at_once=4)
    # When the first rung is full but still running, the next bracket begins with a new point.
    assert history.budgets[:10].tolist() == [1] * 9 + [3] and history.points[9] == 9
    for budget, low in ((3, 3), (9, 3)):
        assert (history.budgets == budget).sum() >= low
    promoted = [i for i in range(60) if history.points[i] != i]
    assert promoted and all(history.budgets[history.points[i]] < history.budgets[i] for i in promoted)


def test_failed_trials_do_not_go_on():
    searcher, history = Hyperband(high=3), History(SPACE, budget="total_epoch")
    for number in range(4):
        params = searcher.suggest(SPACE, history, trial_rng(0, number))
        history.add(params, None if number == 0 else float(number))
    assert history.budgets.tolist() == [1, 1, 1, 3] and history.points[3] == 1


def test_a_rung_that_cannot_be_filled_is_no_end():
    searcher, history = Hyperband(high=9), History(SPACE, budget="total_epoch")
    for number in range(9 + 2 + 1 + 1):
        params = searcher.suggest(SPACE, history, trial_rng(0, number))
        history.add(params, None if 2 <= number < 9 else float(number))
    assert history.budgets.tolist() == [1] * 9 + [3] * 2 + [9] + [3] and history.points[9:12].tolist() == [0, 1, 0]


def test_a_small_space_is_played_to_its_end():
    space = Space.from_dict({"x": {"_type": "choice", "_value": [1, 2, 3, 4]}})
    searcher, history = Hyperband(high=9), History(space, budget="total_epoch")
    with pytest.raises(SpaceExhausted):
        for number in range(99):
            history.add(searcher.suggest(space, history, trial_rng(0, number)), float(number))
    assert history.budgets.tolist() == [1] * 4 + [3] * 3 + [9]


def test_with_tpe_and_the_same_history_the_same_suggestion():
    searcher = Hyperband(high=9, searcher=TPE(startup=5))
    first, again = play(searcher, 40), play(searcher, 40)
    np.testing.assert_array_equal(first.rows, again.rows)
    histories = [play(searcher, 40, seed=seed) for seed in range(8)]
    late = [abs(h.rows[i, 0] - 0.3) for h in histories for i in range(20, 40) if h.points[i] == i]
    assert np.mean(late) < 0.2  # random points would be 0.29 away


def test_a_suggestion_is_the_same_work_among_many_trials():
    """The mean of one cycle of brackets, 22 trials."""
    searcher, history = Hyperband(high=9), History(SPACE, budget="total_epoch")

    def trials(count):
        for _ in range(count):
            params = searcher.suggest(SPACE, history, trial_rng(0, len(history)))
            history.add(params, abs(params["x"] - 0.3) + 1 / params["total_epoch"])

    trials(44)
    few = operations(lambda: trials(22))
    trials(22 * 50)
    assert operations(lambda: trials(22)) < 1.1 * few


def test_a_history_that_has_grown_is_as_one_that_is_new():
    """Also with trials that others have added, that fail, and that end in another order than they began in."""
    space = Space.from_dict({"x": {"_type": "choice", "_value": list(range(99))}})
    searcher, rng = Hyperband(low=2, high=19, eta=2), np.random.default_rng(0)
    started, running, ends = [], [], []
    grown = History(space, budget="b")
    for number in range(90):
        new = History(space, budget="b")
        for params in started:
            new.start(params)
        for trial, value in ends:
            new.end(trial, value)
        params = searcher.suggest(space, grown, trial_rng(0, number))
        assert params == searcher.suggest(space, new, trial_rng(0, number))
        if rng.random() < 0.2:
            params = {"x": int(rng.integers(99)), "b": int(rng.choice([1, 2, 4, 9, 19]))}
        started.append(params)
        running.append(grown.start(params))
        while len(running) > rng.integers(4):
            trial = running.pop(rng.integers(len(running)))
            ends.append((trial, None if rng.random() < 0.1 else float(rng.integers(9))))
            grown.end(*ends[-1])


def test_a_bracket_at_its_end_is_opened_by_a_trial_from_elsewhere():
    searcher, history = Hyperband(high=9), History(SPACE, budget="b")
    for number in range(10):  # nine fail, and the next bracket begins
        history.add(searcher.suggest(SPACE, history, trial_rng(0, number)), None if number < 9 else 1.0)
    assert history.budgets.tolist() == [1] * 9 + [3]
    point = SPACE.decode(history.rows[4])
    history.add({**point, "b": 3}, 5.0)
    assert searcher.suggest(SPACE, history, trial_rng(0, 11)) == {**point, "b": 9}


def test_results_of_one_budget():
    history = History(SPACE, maximize=True, budget="b")
    for x, budget, value, state in ((0.1, 1, 5.0, FINISHED), (0.2, 3, 6.0, FINISHED), (0.3, 3, 7.0, STOPPED)):
        history.add({"x": x, "b": budget}, value, state=state)
    history.add({"x": 0.4, "b": 3}, None)
    history.start({"x": 0.2, "b": 3})
    seen = history.of_budget(3)
    np.testing.assert_array_equal(seen.values, [np.nan, 6, 7, np.nan, np.nan])
    assert seen.states.tolist() == [FAILED, FINISHED, FINISHED, FAILED, RUNNING] and seen.points.tolist()[-1] == 1
    assert history.values[0] == 5 and history.budget == "b" and seen.budget is None and seen.num_points == 4


def test_bad_input():
    with pytest.raises(ValueError, match="low <= high"):
        Hyperband(low=5, high=3)
    with pytest.raises(ValueError, match="no budget"):
        Hyperband(high=9).suggest(SPACE, History(SPACE), trial_rng(0, 0))
    with pytest.raises(ValueError, match="no trial"):
        Hyperband(high=9).best(History(SPACE, budget="total_epoch"))
