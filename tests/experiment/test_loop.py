"""The loop of an experiment: what it begins, when it ends, what it remembers."""

import time

import pytest
from scripted import ENTRIES, SMALL, SPACE, Scripted, plain

from fastcifar.experiment.loop import MAX_SEED, Limits, confirm_seeds, trial_seed, updated
from fastcifar.experiment.objectives.base import FunctionEvaluator
from fastcifar.experiment.planning import plan_of
from fastcifar.experiment.session import driving
from fastcifar.experiment.spec import Spec
from fastcifar.rules import ConfigError
from fastcifar.search import GP, Grid, History, Space
from fastcifar.search.searcher import trial_rng


def test_number_of_trials_and_their_seeds(search):
    driver = search(seed=3)
    assert [row.value for row in driver.store.trials()] == [row.params["x"] for row in driver.rows.values()]
    assert [row.seed for row in driver.store.trials()] == [3_000_000 + number for number in range(6)]
    assert driver.ended == "6 trials were run" and not driver.running and not driver.stopping
    assert driver.store.trials() == list(driver.rows.values())
    assert all(row.ended >= row.started for row in driver.rows.values())


def test_the_largest_seed_is_one_that_the_store_keeps(search):
    driver = search(seed=MAX_SEED, limits=Limits(trials=2))
    driver.repeat("confirm", [driver.rows[0].params], confirm_seeds(MAX_SEED, 1))
    assert [row.seed for row in driver.store.trials()][1:] == [
        MAX_SEED * 1_000_000 + 1,
        MAX_SEED * 1_000_000 + 999_999,
    ]
    assert trial_seed(MAX_SEED + 2, 0) > 2**63 - 1
    with pytest.raises(ConfigError, match="seed: a whole number at least 0 and at most 9,223,372,036,853 is needed"):
        plan_of(Spec(space=ENTRIES, seed=MAX_SEED + 1))


def test_what_is_suggested_is_the_searchers(search):
    """One at a time: the searcher sees all earlier results, in their order."""
    driver = search(searcher=GP(startup=3), seed=5)
    history = History(SPACE, maximize=True)
    for number in range(6):
        params = GP(startup=3).suggest(SPACE, history, trial_rng(5, number))
        assert driver.rows[number].params == params
        history.add(params, params["x"])


def test_no_trial_costs_a_look_at_all_of_them(search):
    class Rows(dict):
        def _all(self):
            raise AssertionError("all trials were looked at")

        __iter__ = keys = values = items = _all

    driver = search(limits=Limits(trials=4))
    driver.rows, driver.plan = Rows(driver.rows), updated(driver.plan, {"trials": 8})
    driver.search()
    assert [row.number for row in driver.store.trials()] == list(range(8))


def test_the_engine_is_given_the_trial(search, tmp_path):
    engine = Scripted(plain)
    driver = search(engine, short={"epochs": 1, "x": 0}, limits=Limits(trials=1), seed=2)
    driver.repeat("confirm", [driver.rows[0].params], [9])
    first, second = engine.started
    assert first.params == {"epochs": 1, **driver.rows[0].params} and second.params == driver.rows[0].params
    assert (first.confirm, second.confirm, first.seed, second.seed) == (False, True, 2_000_000, 9)
    assert first.folder == tmp_path / "trials" / "0" and first.id == f"{tmp_path.name}-0"


def test_duration(search):
    def slow(trial):
        time.sleep(0.05)
        return 1.0
        yield

    driver = search(Scripted(slow), limits=Limits(seconds=0.3))
    assert 2 <= len(driver.rows) <= 6 and driver.ended == "0 s have passed"
    assert 0.3 <= driver.seconds < 2
    again = search(Scripted(slow), limits=Limits(seconds=0.3))
    assert len(again.rows) == len(driver.rows)  # time counts in all sessions


def test_time_is_kept_while_it_runs(search, monkeypatch):
    """A killed driver does not get its time anew."""

    def slow(trial):
        for _ in range(8):
            time.sleep(0.2)
            yield 1.0
        return 1.0

    seen = []
    search(Scripted(slow), lambda driver: seen.append(driver.store.meta().get("seconds")), limits=Limits(trials=1))
    assert any(value and 0.9 < value < 1.5 for value in seen)


def test_space_used_up(search):
    driver = search(space=Space.from_dict(SMALL), searcher=Grid(), engine=Scripted(lambda trial: iter(())))
    assert [row.params["k"] for row in driver.rows.values()] == [1, 2, 3, 4, 5]
    assert driver.ended == "all 5 points of the space have been tried"


@pytest.mark.parametrize("concurrency", [1, 3])
def test_concurrency(search, concurrency):
    def three(trial):
        yield 1.0
        yield 1.0
        return 1.0

    engine = Scripted(three)
    driver = search(engine, concurrency=concurrency, limits=Limits(trials=7))
    assert engine.most == concurrency and len(driver.rows) == 7


def test_concurrency_of_processes(tmp_path):
    """Trials really run beside each other: each waits for the other two."""

    def meet(params, seed):
        (tmp_path / f"here-{seed}").touch()
        until = time.monotonic() + 20
        while len(list(tmp_path.glob("here-*"))) < 3:
            assert time.monotonic() < until
            time.sleep(0.01)
        return 1

    spec = Spec(space=ENTRIES, tuner={"name": "Random"}, trials=3, concurrency=3)
    with driving(tmp_path, spec, lambda driver: None, FunctionEvaluator(meet)) as driver:
        driver.search()
    assert [row.state for row in driver.rows.values()] == ["finished"] * 3


def test_repeat(search):
    engine = Scripted(plain)
    driver = search(engine)
    points, seeds = [driver.rows[2].params, driver.rows[4].params], confirm_seeds(0, 2)
    rows = driver.repeat("confirm", points, seeds)
    assert [(row.kind, row.params, row.seed) for row in rows] == [("confirm", p, s) for s in seeds for p in points]
    assert [row.number for row in rows] == [6, 7, 8, 9] and len(driver.history) == 6
    assert driver.repeat("confirm", points, seeds) == rows and len(engine.started) == 10
    more = driver.repeat("confirm", points, confirm_seeds(0, 3))
    assert {row.number for row in more} - {row.number for row in rows} == {10, 11}
    again = search(engine)  # of what an earlier session has done nothing either
    assert again.repeat("confirm", points, seeds) == rows and len(engine.started) == 12


def test_seeds_of_confirmation_are_no_trials():
    assert confirm_seeds(1, 3) == [1_999_999, 1_999_998, 1_999_997]
    assert not {trial_seed(1, number) for number in range(10_000)} & set(confirm_seeds(1, 100))


def test_speed(tmp_path):
    """A trial costs at most 20 ms once the workers are warm."""
    spec = Spec(space=ENTRIES, trials=200, tuner={"name": "Random"}, concurrency=2)
    with driving(tmp_path, spec, lambda driver: None, FunctionEvaluator(lambda params: params["x"])) as driver:
        driver.search()
    ends = sorted(row.ended for row in driver.rows.values())
    assert (ends[-1] - ends[10]) / 190 < 0.02
