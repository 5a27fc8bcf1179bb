"""What a trial gives can be kept: a poisonous one fails or loses a metric, and the search and its resume go on."""

import json
import math
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from scripted import Scripted

from fastcifar.experiment import gate
from fastcifar.experiment.engines.base import Ended
from fastcifar.experiment.exchange.export import to_csv, to_json
from fastcifar.experiment.loop import Limits
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.listing import overview
from fastcifar.experiment.store.store import FILE, Store
from fastcifar.nni.config import ConfigError
from fastcifar.search import ASHA


def deep(levels):
    value = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def test_metrics_that_are_kept():
    found = {
        "loss": np.float32(0.5),
        "n": np.int64(3),
        "on": np.bool_(True),
        1: (1, None),
        "nan": math.nan,
        "d": deep(49),
    }
    kept, said = gate.metrics_of(found)
    assert said == "" and math.isnan(kept.pop("nan"))
    assert kept == {"loss": 0.5, "n": 3, "on": True, "1": [1, None], "d": deep(49)}
    assert [type(kept[name]) for name in ("loss", "n", "on")] == [float, int, bool]
    assert gate.metrics_of({"a\ud800": "\udfff", "path": set()})[0] == {"a\\ud800": "\\udfff", "path": "set()"}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"flops": 10**400}, "left out: 'flops' (a whole number beyond all floats)"),
        ({"net": deep(50)}, "left out: 'net' (nested more than 50 deep)"),
        ({"net": deep(900), "a": deep(9000)}, "left out: 'net' (nested more than 50 deep) and 1 more"),
        ({"log": "x" * 2**20}, "left out: 'log' (more than 1,048,576 bytes)"),
        ({"curve": [0] * 100_000}, "left out: 'curve' (more than 1,048,576 bytes)"),
        ({"c" * 2**20: 1}, f"left out: '{'c' * 26}"),
    ],
)
def test_metrics_that_are_left_out(found, said):
    kept, why = gate.metrics_of({"loss": 1.5, **found, "acc": 2})
    assert kept == {"loss": 1.5, "acc": 2}
    assert why == said or (set(found) == {"c" * 2**20} and why.startswith(said) and len(why) < 110)


def test_many_metrics():
    kept, said = gate.metrics_of({f"metric-{number}": number for number in range(200_000)})
    assert 20_000 < len(kept) < 40_000 and "bytes" in said
    assert said.endswith(f" and {200_000 - len(kept) - 1} more")
    assert len(json.dumps(kept)) < gate.MAX_BYTES


def test_messages():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("no")

    assert gate.text("a\ud800b") == "a\\ud800b"
    assert gate.text(Mute()) == "a Mute that cannot be shown: RuntimeError"
    assert gate.text("x" * 200_000) == "x" * 1997 + "..."
    assert gate.end_of("y" * 200_000 + "end") == "..." + "y" * (20_000 - 6) + "end"


POISON = [
    ({"default": 1, "flops": 10**400}, "finished", "left out: 'flops' (a whole number beyond all floats)"),
    ({"default": 1, "net": deep(900)}, "finished", "left out: 'net' (nested more than 50 deep)"),
    ({"default": 1, "\ud800": "\ud800"}, "finished", ""),
    ({"default": 10**400}, "failed", "its result cannot be stored: OverflowError: int too large to convert to float"),
    ({"default": math.nan}, "failed", "its result cannot be stored: GateError: the result is nan"),
    ("an error \ud800", "failed", "an error \\ud800"),
    ({"default": 1, "train_seconds": 10**400}, "finished", "left out: 'train_seconds' (a whole number beyond all"),
]


@pytest.mark.parametrize(("poison", "state", "message"), POISON)
def test_a_poisonous_trial_ends_no_search(search, poison, state, message):
    def script(trial):
        if trial.number == 1:
            return poison if isinstance(poison, str) else dict(poison)
        return 2.0
        yield

    driver = search(Scripted(script), limits=Limits(trials=3), max_seconds=5.0)
    assert [row.state for row in driver.rows.values()] == ["finished", state, "finished"]
    assert driver.rows[1].message.startswith(message) and bool(message) == bool(driver.rows[1].message)
    assert driver.store.trials() == list(driver.rows.values())
    again = search(limits=Limits(trials=4))
    assert len(again.rows) == 4
    to_csv(again.store.trials()).encode()
    json.loads(to_json(again.store.trials(), again.store.reports()))


@pytest.mark.parametrize("metric", [10**400, "x", [deep(900)], None])
def test_a_poisonous_objective(search, metric):
    def script(trial):
        return {"default": 1.0, "loss": metric if trial.number == 0 else 0.5}
        yield

    driver = search(Scripted(script), metric="loss", limits=Limits(trials=2))
    assert [(row.state, row.value) for row in driver.rows.values()] == [("failed", None), ("finished", 0.5)]
    assert "loss" in driver.rows[0].message


def test_an_assessor_that_fails(search):
    """The trial whose report it judges has failed; the search goes on."""

    class Broken:
        def assess(self, history, trial):
            return {}["step"] if trial == 0 else True

    def curve(trial):
        yield 1.0
        return 2.0

    driver = search(Scripted(curve), assessor=Broken(), limits=Limits(trials=2))
    assert [(row.state, row.value) for row in driver.rows.values()] == [("failed", None), ("finished", 2.0)]
    assert driver.rows[0].message == "its report cannot be judged: KeyError: 'step'"
    assert search(Scripted(curve), assessor=ASHA(), limits=Limits(trials=3)).rows[2].state == "finished"


def test_a_report_that_cannot_be_kept(search):
    def curve(trial):
        yield 10**400
        return 2.0

    driver = search(Scripted(curve), limits=Limits(trials=1))
    assert driver.rows[0].state == "failed" and "OverflowError" in driver.rows[0].message


class Mine:
    """A user's searcher."""

    def __init__(self, suggestion, best=None):
        self.suggestion, self.estimate = suggestion, best

    def suggest(self, space, history, rng):
        if isinstance(self.suggestion, Exception):
            raise self.suggestion
        return self.suggestion

    def best(self, history):
        return self.estimate


@pytest.mark.parametrize(
    ("suggestion", "message"),
    [
        (KeyError("x\ud800"), r"the tuner Mine fails: KeyError: 'x\ud800'"),
        (None, "the tuner Mine suggests None: parameters: an object is needed, not None"),
        ({"x": math.nan, "k": "a"}, "the tuner Mine suggests {'x': nan, 'k': 'a'}: x: a number is needed, not nan"),
        ({"x": 10**400, "k": "a"}, "the tuner Mine fails: GateError: a whole number beyond all floats"),
        ({"x": deep(900), "k": "a"}, "the tuner Mine fails: GateError: nested more than 50 deep"),
        ({"x": 0.5, "k": "\ud800"}, r"the tuner Mine suggests {'x': 0.5, 'k': '\\ud800'}: k: "),
    ],
)
def test_what_a_custom_tuner_suggests(search, suggestion, message):
    with pytest.raises(ConfigError) as caught:
        search(searcher=Mine(suggestion))
    assert str(caught.value).startswith(message)


def test_a_custom_tuner_that_suggests_numpy(search):
    driver = search(searcher=Mine({"x": np.float32(0.5), "k": np.str_("a")}), limits=Limits(trials=1))
    assert driver.store.trials()[0].params == {"x": 0.5, "k": "a"}


@pytest.mark.parametrize(
    "change",
    [
        'metrics = \'{"a": ' + "[" * 900 + "]" * 900 + "}'",
        'metrics = \'{"a": 1' + "0" * 400 + "}'",
        'metrics = \'{"a": "\\ud800"}\'',
        "metrics = '[[['",
        "metrics = x'ff'",
        "params = '[1]'",
        'params = \'{"x": ' + "[" * 900 + "]" * 900 + "}'",
        "message = x'ff'",
        "message = CAST(x'ff' AS TEXT)",
        "value = 9e999",
        "value = 'abc'",
        "state = 'odd'",
        "seed = 'abc'",
        "started = 1e300, ended = 'x'",
        "kind = x'ff'",
    ],
)
def test_what_is_stored_already_can_be_shown_and_exported(search, tmp_path, change):
    search(limits=Limits(trials=3))
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.execute(f"UPDATE trials SET {change} WHERE number = 1")
        connection.execute("UPDATE reports SET value = 'abc'")
        connection.commit()
    with closing(Store.open(tmp_path)) as store:
        store.set({"spec": Spec(space={"x": {"_type": "uniform", "_value": [0, 1]}}).to_dict()})
        rows = store.trials()
        assert [row.number for row in rows] == [0, 1, 2] and rows[2].state == "finished"
        exported = json.loads(to_json(store.trials(), store.reports()))
        assert [entry["number"] for entry in exported] == [0, 1, 2] and exported[2]["value"] == rows[2].value
        assert len(to_csv(store.trials()).encode().splitlines()) == 4
    found = overview(tmp_path)
    assert found.status != "unreadable" and isinstance(found.best, float)
    driver = search(limits=Limits(trials=5))
    assert [row.state for row in driver.rows.values()][-2:] == ["finished"] * 2


def test_a_damaged_trial_that_ran(search, tmp_path, capsys):
    """A resume cannot run it again, and says so."""
    driver = search(limits=Limits(trials=2))
    driver.store.connection.execute("UPDATE trials SET state = 'running', params = '[1]' WHERE number = 1")
    again = search(limits=Limits(trials=2))
    assert again.rows[1].state == "failed" and "trial 1 is skipped: x: it is missing" in capsys.readouterr().err
    assert len(again.rows) == 3


def test_the_end_of_a_trial():
    event = Ended(number=3, value=1, metrics={"traceback": "z" * 30_000, "a": 10**400}, message="x" * 3_000)
    found = gate.admitted(event)
    assert (found.value, set(found.metrics), len(found.metrics["traceback"])) == (1.0, {"traceback"}, 20_000)
    assert found.message == "x" * 1997 + "...; left out: 'a' (a whole number beyond all floats)"
