"""How a trial ends: with a result or none, stopped by an assessor, or over a limit."""

import math

import numpy as np
import pytest
from scripted import Scripted, plain

from fastcifar.experiment.engines.base import Ended, Report
from fastcifar.experiment.loop import Limits
from fastcifar.search import ASHA, FINISHED


def test_the_assessor_stops_a_trial(search):
    """It keeps what it had reached, and the searcher sees that."""

    def curve(trial):
        for step in range(1, 5):
            yield trial.seed % 10 + step / 10 if trial.seed % 10 < 4 else -step / 10
        return 100.0

    engine = Scripted(curve)
    driver = search(engine, assessor=ASHA(first=2, eta=2), limits=Limits(trials=5))
    rows = list(driver.rows.values())
    assert [row.state for row in rows] == ["finished"] * 4 + ["stopped"]
    assert (rows[4].value, rows[4].message) == (-0.2, "")
    assert driver.store.reports()[4] == [-0.1, -0.2]
    assert driver.history.values[4] == -0.2 and driver.history.states[4] == 2
    assert driver.store.trials()[4] == rows[4]


def test_an_assessor_without_reports_is_told_of_once(search, capsys):
    search(assessor=ASHA())
    said = "fastcifar: trial 0 has reported nothing before its result: the assessor cannot judge it\n"
    assert capsys.readouterr().err == said


def test_a_stopped_trial_keeps_its_last_number(search):
    class Never:
        def assess(self, history, trial):
            return len(history.loss_curve(trial)) < 3

    def curve(values):
        yield from values
        return 1.0

    curves = [[1.0, math.nan, math.inf], [math.nan, math.nan, -math.inf], [1.0, 2.0, 3.0]]
    engine = Scripted(lambda trial: curve(curves[trial.number]))
    rows = list(search(engine, assessor=Never(), limits=Limits(trials=3)).rows.values())
    assert [(row.state, row.value) for row in rows] == [("stopped", 1.0), ("failed", None), ("stopped", 3.0)]
    assert rows[1].message == "stopped before it had a result: no report was a finite number"


def test_failures(search):
    """A trial that fails is one of the limit, has a message, and the next one is begun."""

    def script(trial):
        if trial.number == 0:
            raise ValueError("no luck")
        return "stopped" if trial.number == 1 else 1.0
        yield

    driver = search(Scripted(script), limits=Limits(trials=3))
    found = [(row.state, row.value, row.message) for row in driver.rows.values()]
    assert found == [("failed", None, "no luck"), ("failed", None, "stopped"), ("finished", 1.0, "")]
    assert list(driver.history.states) == [3, 3, FINISHED] and np.isnan(driver.history.values[:2]).all()


def test_events_of_trials_that_do_not_run_are_passed_over(search):
    class Noisy(Scripted):
        def events(self, timeout):
            events = super().events(timeout)
            stray = [Report(number=-1, value=1.0), Ended(number=99, value=1.0)]
            return stray + events + [event for event in events if isinstance(event, Ended)]

    driver = search(Noisy(plain))
    assert [row.state for row in driver.rows.values()] == ["finished"] * 6


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"default": 5.0, "loss": 0.25}, ("finished", 0.25, "")),
        ({"default": 5.0}, ("failed", None, "the result has no 'loss'")),
        ({"default": 5.0, "loss": "low"}, ("failed", None, "loss: a result is a number or a dict with")),
        ({"default": 5.0, "loss": math.nan}, ("failed", None, "loss: the result is nan")),
    ],
)
def test_metric(search, result, expected):
    def script(trial):
        return dict(result)
        yield

    driver = search(Scripted(script), metric="loss", maximize=False, limits=Limits(trials=1))
    row = driver.rows[0]
    assert (row.state, row.value) == expected[:2] and row.message.startswith(expected[2])
    if row.value is not None:
        assert row.metrics == {"default": 5.0, "loss": 0.25} and driver.history.losses[0] == 0.25


@pytest.mark.parametrize(("taken", "state"), [(1.5, "finished"), (2.5, "failed"), ("long", "finished")])
def test_max_seconds(search, taken, state):
    def script(trial):
        return {"default": 5.0, "train_seconds": taken}
        yield

    driver = search(Scripted(script), max_seconds=2.0, limits=Limits(trials=1))
    row = driver.rows[0]
    (confirmed,) = driver.repeat("confirm", [row.params], [9])
    assert confirmed.state == "finished"  # at full budget, which the limit is not for
    assert row.state == state and (row.message == "training took 2.5 s, more than 2") == (state == "failed")
