"""A search whose first trials all fail is ended; the clock and its trials."""

import time
from dataclasses import replace

import pytest
from scripted import ENTRIES, SMALL, Scripted

from fastcifar.experiment.failures import MAX_FAILURES, Failures
from fastcifar.experiment.loop import Limits, updated
from fastcifar.experiment.objectives.base import FunctionEvaluator
from fastcifar.experiment.planning import plan_of
from fastcifar.experiment.session import driving
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.requests import ask
from fastcifar.experiment.store.store import FAILED, FINISHED, STOPPED, Store, TrialRow
from fastcifar.search import optimize

WHY = "3 trials have failed in a row and none has had a result (max failures: 3); the last one: no luck at {}"


def failing(*works):
    """Every trial fails, but for those with these numbers."""

    def script(trial):
        return 1.0 if trial.number in works else f"no luck at {trial.number}"
        yield

    return Scripted(script)


def test_a_search_in_which_nothing_works_is_ended(search):
    driver = search(failing(), max_failures=3, limits=Limits(trials=100))
    assert len(driver.rows) == 3 and driver.ended == WHY.format(2) == driver.hopeless


def test_a_resume_tries_again(search):
    """The user may have mended something."""
    search(failing(), max_failures=3, limits=Limits(trials=100))
    again = search(failing(), max_failures=3, limits=Limits(trials=100))
    assert len(again.rows) == 6 and again.ended == WHY.format(5)
    mended = search(failing(*range(6, 10)), max_failures=3, limits=Limits(trials=20))
    assert len(mended.rows) == 20 and not mended.hopeless


@pytest.mark.parametrize("most", [0, 4])
def test_a_search_in_which_a_trial_works_goes_on(search, most):
    driver = search(failing(3) if most else failing(), limits=Limits(trials=40), max_failures=most)
    assert len(driver.rows) == 40 and driver.ended == "40 trials were run"
    if most:
        assert len(search(failing(), limits=Limits(trials=80), max_failures=most).rows) == 80  # it has worked once


def test_a_running_trial_may_still_work(search):
    def script(trial):
        if trial.number == 0:
            for _ in range(9):
                yield 0.5
            return 1.0
        return "no luck"

    driver = search(Scripted(script), max_failures=3, concurrency=2, limits=Limits(trials=30))
    assert driver.rows[0].state == FINISHED and len(driver.rows) == 30


def test_trials_that_were_ended_on_purpose_do_not_count(search, tmp_path):
    def script(trial):
        ask(tmp_path, {"kill": trial.number})
        while True:
            time.sleep(0.001)
            yield float("nan")

    driver = search(Scripted(script), max_failures=2, limits=Limits(trials=4))
    assert [row.message for row in driver.rows.values()] == ["killed by the user"] * 4 and not driver.hopeless


def test_the_message_is_one_short_line():
    row = TrialRow(number=0, kind="search", params={}, seed=0, started=0.0, state=FAILED, message="a\n b" + "x" * 999)
    failures = Failures()
    failures.take(row, False)
    why = "1 trial has failed and none has had a result (max failures: 1); the last one: a bx"
    assert failures.verdict(1).startswith(why) and len(failures.verdict(1)) < 300
    assert failures.verdict(0) == failures.verdict(2) == ""
    failures.take(replace(row, state=STOPPED), False)
    assert failures.verdict(1) == ""


def test_the_setting_in_specs(tmp_path):
    assert plan_of(Spec(space=ENTRIES)).max_failures == MAX_FAILURES == 20
    assert plan_of(Spec.from_dict({"space": ENTRIES, "version": 2})).max_failures == 20
    assert plan_of(Spec.from_dict({"space": ENTRIES})).max_failures == 0  # of the first version: no search was given up
    plan = plan_of(Spec(space=ENTRIES, max_failures=7))
    assert plan.max_failures == 7 and updated(plan, {"max_failures": 0}).max_failures == 0
    evaluator = FunctionEvaluator(lambda params: 1 / 0)
    with driving(tmp_path, Spec(space=SMALL, max_failures=1), lambda driver: None, evaluator) as driver:
        driver.search()
    assert Store.read(tmp_path).meta()["status"] == "stopped"


def test_optimize(tmp_path, capsys):
    found = optimize(lambda params: 1 / 0, ENTRIES, trials=50, max_failures=2, out=tmp_path)
    assert found["trials"]["failed"] == 2 and found["best"] is None
    why = "2 trials have failed in a row and none has had a result (max failures: 2); the last one: ZeroDivisionError"
    assert found["ended"].startswith(why) and capsys.readouterr().err.startswith(f"fastcifar: {why}")
    with pytest.raises(ValueError, match="max_failures: a whole number at least 0 is needed, not -1"):
        optimize(lambda params: 1.0, ENTRIES, trials=1, max_failures=-1, out=tmp_path)


def test_a_clock_that_is_set_back(search, monkeypatch):
    """A trial has taken as long as it has."""
    clock = time.time

    def script(trial):
        monkeypatch.setattr(time, "time", lambda: clock() - 3600)
        yield 1.0
        return 1.0

    row = search(Scripted(script), limits=Limits(trials=1)).rows[0]
    assert row.ended is not None and 0 <= row.ended - row.started < 60


def test_the_times_of_an_older_store():
    assert TrialRow(number=0, kind="search", params={}, seed=0, started=3600.0, ended=0.1).seconds == 0.0


def test_a_trial_with_nothing_but_nan_is_told_so(search):
    class Never:
        def assess(self, history, trial):
            return False

    def script(trial):
        yield float("nan")

    row = search(Scripted(script), assessor=Never(), limits=Limits(trials=1)).rows[0]
    assert row.message == "stopped before it had a result: no report was a finite number"
