"""What an experiment keeps: killing it changes nothing, and a resume goes on with the same search."""

import json
import os
import random
import signal
import time

import numpy as np
import pytest
from scripted import ENTRIES, Scripted, endless, plain, plan

from fastcifar.experiment.loop import Driver, Limits
from fastcifar.experiment.objectives.base import FunctionEvaluator
from fastcifar.experiment.session import driving
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.store import Store, StoreError
from fastcifar.search import ASHA, GP


def essence(driver_or_store):
    """What must not depend on when it was killed."""
    store = getattr(driver_or_store, "store", driver_or_store)
    reports = store.reports()
    return [
        (row.number, row.kind, row.params, row.seed, row.state, row.value, row.message, reports.get(row.number))
        for row in store.trials()
    ]


class Crash(Exception):
    pass


def crash_at(moment):
    """A `watch` that raises at its n-th call, as a kill would between two things that are kept."""
    calls = []

    def watch(driver):
        calls.append(0)
        if len(calls) == moment:
            raise Crash

    return watch


def curved(trial):
    for step in range(3):
        yield trial.params["x"] * step + (trial.seed % 7)
    return trial.params["x"] * (1 + trial.seed % 3)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_resume_goes_on_with_the_same_search(search, tmp_path, concurrency):
    """Crashes at every third moment; with one worker the trials are those of an undisturbed search."""
    settings = {"searcher": GP(startup=3), "assessor": ASHA(eta=2), "concurrency": concurrency}
    settings["limits"] = Limits(trials=8)
    folder = tmp_path / "undisturbed"
    folder.mkdir()
    calm = Driver(Store.create(folder, {}), plan(**settings), Scripted(curved), lambda driver: None)
    calm.search()
    crashes = 0
    while True:
        driver = search(Scripted(curved), crash_at(4 + crashes % 5), run=False, **settings)
        try:
            driver.search()
            break
        except Crash:
            crashes += 1
        finally:
            driver.store.close()
    assert crashes > 5
    store = Store.read(tmp_path)
    if concurrency == 1:
        assert essence(store) == essence(calm)
    assert [row.number for row in store.trials()] == list(range(8))
    assert {row.state for row in store.trials()} <= {"finished", "stopped"}


def test_trials_that_ran_are_run_again_with_their_seed_and_point(search):
    before = search(Scripted(endless), crash_at(6), run=False, concurrency=2)
    with pytest.raises(Crash):
        before.search()
    assert before.store.reports()[0]
    rows = before.store.trials()
    before.store.close()
    engine = Scripted(plain)
    driver = search(engine, concurrency=2)
    assert [(trial.number, trial.params, trial.seed) for trial in engine.started[:2]] == [
        (row.number, row.params, row.seed) for row in rows
    ]
    assert len(driver.rows) == 6 and driver.store.reports() == {} and engine.most == 2


def test_history_is_the_same_after_a_resume(search):
    before = search(Scripted(curved), assessor=ASHA(eta=2), concurrency=2)
    before.store.close()
    after = search(run=False)
    for name in ("rows", "values", "states", "points"):
        np.testing.assert_array_equal(getattr(before.history, name), getattr(after.history, name))
    for number in range(6):
        np.testing.assert_array_equal(before.history.loss_curve(number), after.history.loss_curve(number))


def test_parameters_that_are_not_of_the_space_are_not_kept(search):
    class Wild:
        def suggest(self, space, history, rng):
            return {"x": 0.5}

    with pytest.raises(ValueError, match="k: it is missing"):
        search(searcher=Wild())
    assert search(limits=Limits(trials=1)).rows[0].state == "finished"


def test_full_disk(tmp_path):
    """The search ends with what was announced; with room again it goes on as if nothing had been."""
    spec = Spec(space=ENTRIES, tuner={"name": "Random"}, trials=40, seed=1)
    told = []

    def watch(driver):
        if not told:
            pages = driver.store.connection.execute("PRAGMA page_count").fetchone()[0]
            driver.store.connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        told[:] = [row.number for row in driver.rows.values() if row.state == "finished"] or [None]

    evaluator = FunctionEvaluator(lambda params: {"default": params["x"], "much": "x" * 500})
    with (
        pytest.raises(StoreError, match="full"),
        driving(tmp_path, spec, watch, evaluator) as driver,
    ):
        driver.search()
    kept = [row.number for row in Store.read(tmp_path).trials() if row.state == "finished"]
    assert 2 <= len(told) < 40 and kept == told
    with driving(tmp_path, spec, lambda driver: None, evaluator) as driver:
        driver.search()
    assert [row.value for row in Store.read(tmp_path).trials()] == [row.params["x"] for row in driver.rows.values()]
    assert len(driver.rows) == 40


def test_two_drivers(tmp_path):
    spec = Spec(space=ENTRIES, trials=1)
    evaluator = FunctionEvaluator(lambda params: 1)
    with driving(tmp_path, spec, lambda driver: None, evaluator) as driver:
        with (
            pytest.raises(StoreError, match="another process is at work"),
            driving(tmp_path, spec, lambda driver: None, evaluator),
        ):
            pass
        driver.search()
    assert Store.read(tmp_path).meta()["status"] == "done"


def objective(params, seed, report):
    for step in range(3):
        report(params["x"] * step)
    if seed % 11 == 4:
        raise ValueError("bad luck")
    return params["x"] + seed % 5


def drive(folder, spec, announced):
    """Search in a copy of this process; note each trial that is announced as ended. The copy's pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        descriptor = os.open(announced, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        told = set()

        def watch(driver):
            for row in driver.rows.values():
                if row.state != "running" and row.number not in told:
                    told.add(row.number)
                    os.write(descriptor, json.dumps([row.number, row.state, row.value]).encode() + b"\n")

        evaluator = FunctionEvaluator(lambda params, seed, report: objective(params, seed, report))
        with driving(folder, spec, watch, evaluator) as driver:
            driver.search()
        code = 0
    finally:
        os._exit(code)


@pytest.mark.parametrize("concurrency", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_killed_at_random_moments(tmp_path, concurrency):
    """Nothing that was announced is lost or changed, nothing is there twice; one worker: as if never killed."""
    spec = Spec(space=ENTRIES, trials=150, tuner={"name": "Random"}, seed=3, concurrency=concurrency)
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    for folder in (calm, killed):
        folder.mkdir()
    assert os.waitpid(drive(calm, spec, tmp_path / "calm.jsonl"), 0)[1] == 0
    rng, kills, seen = random.Random(concurrency), 0, {}
    for _ in range(1000):
        pid = drive(killed, spec, tmp_path / "killed.jsonl")
        if kills < 50:
            time.sleep(rng.uniform(0.002, 0.04))
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        if (tmp_path / "killed.jsonl").exists():
            for line in (tmp_path / "killed.jsonl").read_text().splitlines():
                number, *end = json.loads(line)
                assert seen.setdefault(number, end) == end
            rows = Store.read(killed).trials() if seen else []
            stored = {row.number: [row.state, row.value] for row in rows}
            assert all(stored[number] == end for number, end in seen.items())
        if status == 0:
            break
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        kills += 1
    assert kills >= 20
    store = Store.read(killed)
    assert [row.number for row in store.trials()] == list(range(150)) and len(seen) == 150
    assert store.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    if concurrency == 1:
        assert essence(store) == essence(Store.read(calm))
    else:
        drawn = [row.params for row in Store.read(calm).trials()]
        assert [row.params for row in store.trials()] == drawn
