"""What others read of an experiment, and what has changed since they last looked."""

import json
import math
import shutil
import sqlite3
import statistics
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.reader import Reader
from fastcifar.experiment.store.schema import TABLES
from fastcifar.experiment.store.store import FAILED, FILE, FINISHED, Store, StoreError, TrialRow, locked

SPEC = Spec(space={"x": {"_type": "uniform", "_value": [0, 1]}}).to_dict()


def row(number, **changes):
    return replace(TrialRow(number=number, kind="search", params={"x": number / 3}, seed=7, started=100.0), **changes)


def ended(number, **changes):
    return replace(row(number, state=FINISHED, value=0.1 * number, ended=101.5), **changes)


def numbers(changes):
    return [one.number for one in changes.trials]


def first_version(folder, trials=2):
    """A store as it was before changes were counted."""
    with closing(sqlite3.connect(folder / FILE)) as connection:
        connection.executescript(TABLES[1])
        connection.execute("PRAGMA user_version = 1")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executemany("INSERT INTO meta VALUES (?, ?)", [("spec", json.dumps(SPEC)), ("status", '"done"')])
        for number in range(trials):
            values = (number, "search", '{"x": 0.5}', 1, FINISHED, 0.25, "{}", "", 1.0, 2.0)
            connection.execute(f"INSERT INTO trials VALUES ({', '.join('?' * 10)})", values)
            connection.execute("INSERT INTO reports VALUES (?, 0, 0.125, 1.5)", (number,))
        connection.commit()


@pytest.fixture
def store(tmp_path):
    with locked(tmp_path), closing(Store.create(tmp_path, {"spec": SPEC, "status": "running"})) as opened:
        yield opened


def test_everything_at_once(store):
    store.start(row(0))
    store.report(0, 0, 0.5)
    store.report(0, 1, math.nan)
    store.end(ended(0))
    store.start(row(1))
    reader = Reader(store.folder)
    found = reader.changes()
    assert found.everything and found.status == "running"
    assert found.meta == {"spec": SPEC, "status": "running"} == reader.meta()
    assert found.trials == [ended(0), row(1)] == reader.trials()
    for reports in (found.reports, reader.reports(), {0: reader.trial(0)[1]}):
        assert list(reports) == [0] and reports[0][0] == 0.5 and math.isnan(reports[0][1]) and len(reports[0]) == 2
    assert reader.trial(0)[0] == ended(0) and reader.trial(1) == (row(1), [])
    with pytest.raises(StoreError, match="has no trial 2"):
        reader.trial(2)


def test_each_kind_of_change(store):
    """Whatever the writer writes is in the next changes, and in no later ones."""
    reader = Reader(store.folder)
    point = reader.changes().point

    def change(write, *arguments):
        nonlocal point
        write(*arguments)
        found = reader.changes(point)
        again = reader.changes(found.point)
        assert not found.everything and not again.everything
        assert (again.meta, again.trials, again.reports, again.point) == (None, [], {}, found.point)
        point = found.point
        return found

    for number in range(3):
        assert change(store.start, row(number)).trials == [row(number)]
    found = change(store.report, 1, 0, 0.5)
    assert (found.trials, found.reports, found.meta) == ([row(1)], {1: [0.5]}, None)
    found = change(store.report, 1, 1, 0.75)
    assert (found.trials, found.reports) == ([row(1)], {1: [0.5, 0.75]})
    found = change(store.restart, 1, 200.0)
    assert (found.trials, found.reports) == ([row(1, started=200.0)], {})
    found = change(store.end, ended(2, state=FAILED, value=None, message="why", metrics={"a": 1}))
    assert found.trials == [ended(2, state=FAILED, value=None, message="why", metrics={"a": 1})]
    found = change(store.set, {"status": "done", "summary": {"schema": 1}})
    assert (found.status, found.trials, found.meta["summary"]) == ("done", [], {"schema": 1})
    added = [(ended(3), [0.1, 0.2]), (ended(4), [])]
    found = change(store.add, added, {"spec": SPEC | {"trials": 9}})
    assert (found.trials, found.reports) == ([ended(3), ended(4)], {3: [0.1, 0.2]})
    assert found.meta["spec"]["trials"] == 9
    assert [numbers(reader.changes(None)), numbers(reader.changes(point))] == [[0, 1, 2, 3, 4], []]


def test_a_point_that_is_old(store):
    """It has all that came after it, each trial once."""
    reader = Reader(store.folder)
    store.start(row(0))
    point = reader.changes().point
    for number in range(1, 4):
        store.start(row(number))
        store.end(ended(number))
    assert numbers(reader.changes(point)) == [1, 2, 3] and reader.changes(point).meta is None


def test_the_driver_ends_or_is_killed_and_goes_on(tmp_path):
    """Trials that ran wait when no process is at work, and run again: both are changes of what is shown."""
    reader = Reader(tmp_path)
    with locked(tmp_path):
        store = Store.create(tmp_path, {"spec": SPEC, "status": "running"})
        store.start(row(0))
        store.end(ended(0))
        store.start(row(1))
        store.report(1, 0, 0.5)
        running = reader.changes()
        store.close()
    waiting = reader.changes(running.point)
    assert (waiting.status, waiting.everything, waiting.meta) == ("killed", False, None)
    assert waiting.trials == [row(1, state="waiting")] and waiting.reports == {1: [0.5]}
    assert reader.trials()[1].state == reader.trial(1)[0].state == "waiting"
    assert reader.changes(waiting.point).trials == []
    with locked(tmp_path), closing(Store.open(tmp_path)) as store:
        found = reader.changes(waiting.point)
        assert (found.status, found.trials) == ("running", [row(1)])
        store.restart(1, 300.0)
        assert reader.changes(found.point).trials == [row(1, started=300.0)]
        assert numbers(reader.changes(waiting.point)) == [1]


@pytest.mark.parametrize("later", [True, False])
def test_a_point_of_another_store(tmp_path, later):
    """In the place of an experiment stands another, made after it or brought back from before."""
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, count in ((old, 2), (new, 5)):
        folder.mkdir()
        store = Store.create(folder, {"spec": SPEC})
        store.add([(ended(number), []) for number in range(count)], {})
        store.close()
    here, there = (new, old) if later else (old, new)
    point = Reader(there).changes().point
    shutil.rmtree(there)
    here.rename(there)
    found = Reader(there).changes(point)
    assert found.everything and numbers(found) == list(range(5 if later else 2)) and found.meta is not None


@pytest.mark.parametrize("point", ["", "5", "5-2", "-1-0", "x", "5-1\n", "9" * 20 + "-1"])
def test_what_is_no_point(store, point):
    with pytest.raises(ValueError, match="is no point of an experiment"):
        Reader(store.folder).changes(point)


def test_a_store_of_the_first_version(tmp_path):
    """It is read as it is; every change of its file gives everything. A writer makes it one of this version."""
    first_version(tmp_path)
    reader, before = Reader(tmp_path), (tmp_path / FILE).read_bytes()
    found = reader.changes()
    assert found.everything and numbers(found) == [0, 1] and found.reports == {0: [0.125], 1: [0.125]}
    assert reader.trial(1)[0].value == 0.25
    again = reader.changes(found.point)
    assert (again.everything, again.trials, again.meta, again.point) == (False, [], None, found.point)
    assert (tmp_path / FILE).read_bytes() == before
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:  # by a driver of that version
        connection.execute("UPDATE trials SET value = 0.5 WHERE number = 1")
        connection.commit()
        changed = reader.changes(found.point)
        assert changed.everything and [one.value for one in changed.trials] == [0.25, 0.5]
    with closing(Store.open(tmp_path)) as store:
        upgraded = reader.changes(changed.point)
        assert upgraded.everything and upgraded.trials == changed.trials and upgraded.reports == changed.reports
        store.report(0, 1, 0.75)
        assert reader.changes(upgraded.point).reports == {0: [0.125, 0.75]}
    assert numbers(Reader(tmp_path).changes(upgraded.point)) == [0]


def test_two_processes_upgrade_one_store(tmp_path):
    first_version(tmp_path)
    for _ in range(2):
        Store.open(tmp_path).close()
    assert numbers(Reader(tmp_path).changes()) == [0, 1]


def test_changes_that_later_ones_hide_are_forgotten(store):
    reader, point = Reader(store.folder), None
    store.start(row(0))
    store.start(row(1))
    point = reader.changes().point
    for number in range(2000):
        store.report(1, number, 0.5)
    late = reader.changes().point
    store.end(ended(1))
    with closing(Store.open(store.folder)) as again:
        (count,) = again.connection.execute("SELECT COUNT(*) FROM changes").fetchone()
    assert count == 3  # the first one, which is of meta, and the last of each trial
    assert not reader.changes(point).everything
    assert numbers(reader.changes(point)) == numbers(reader.changes(late)) == [1]
    store.start(row(2))
    assert numbers(reader.changes(late)) == [1, 2]


def test_beside_the_writer(store):
    """A reader that follows the changes has what the store has, whenever it looks."""
    known, errors, done = {}, [], threading.Event()
    reader = Reader(store.folder)

    def follow():
        point = None
        try:
            while True:
                last = done.is_set()
                found = reader.changes(point)
                point = found.point
                known.update({one.number: (one, found.reports.get(one.number, [])) for one in found.trials})
                if last:
                    return
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=follow)
    thread.start()
    for number in range(150):
        store.start(row(number))
        for step in range(number % 3):
            store.report(number, step, 0.5 * step)
        if number % 4:
            store.end(ended(number))
        else:
            store.restart(number, 150.0)
    done.set()
    thread.join()
    assert not errors
    assert known == {one.number: (one, store.reports().get(one.number, [])) for one in store.trials()}


def test_speed(tmp_path):
    """10,000 trials take 0.2 s, a change 1 ms; this machine may be busy."""
    with closing(Store.create(tmp_path, {"spec": SPEC})) as store:
        metrics = {"train_seconds": 1.25, "epoch_seconds": [0.25] * 30, "flops": 10**9}
        store.add([(ended(number, metrics=metrics), [0.5]) for number in range(10_000)], {})
        reader = Reader(tmp_path)
        began = time.perf_counter()
        assert len(reader.trials()) == 10_000
        assert time.perf_counter() - began < 3
        point, times = reader.changes().point, []
        for number in range(20):
            store.end(ended(number, message="changed"))
            began = time.perf_counter()
            found = reader.changes(point)
            times.append(time.perf_counter() - began)
            assert numbers(found) == [number]
            point = found.point
        assert statistics.median(times) < 0.05


def test_no_sql_elsewhere():
    """What is in an experiment's file, and how, only the store's folder knows."""
    package = Path(__file__).parents[3] / "fastcifar"
    home = package / "experiment" / "store"
    words = ("sqlite3", ".execute(", ".connection.execute", "SELECT ", "INSERT INTO", "UPDATE trials")
    found = [
        f"{path.relative_to(package)}: {word}"
        for path in package.rglob("*.py")
        if home not in path.parents
        for word in words
        if word in path.read_text(encoding="utf-8")
    ]
    assert not found
    assert all(any(word in path.read_text("utf-8") for path in home.glob("*.py")) for word in words[:2])
