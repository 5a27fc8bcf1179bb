"""The loop of an experiment: what it begins, when it ends, what it remembers, and that killing it changes nothing."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from fastcifar.search import ASHA, FINISHED, GP, Grid, History, Random, Space
from fastcifar.search.experiment.driver import Driver, Limits, Plan, confirm_seeds, trial_seed
from fastcifar.search.experiment.engine import Ended, Report
from fastcifar.search.experiment.evaluator import FunctionEvaluator
from fastcifar.search.experiment.requests import ask
from fastcifar.search.experiment.spec import Spec, driving
from fastcifar.search.experiment.store import Store, StoreError
from fastcifar.search.experiment.workers import WorkerEngine
from fastcifar.search.searcher import trial_rng

ENTRIES = {"x": {"_type": "uniform", "_value": [0, 1]}, "k": {"_type": "choice", "_value": ["a", "b", "c"]}}
SPACE = Space.from_dict(ENTRIES)
SMALL = {"k": {"_type": "choice", "_value": [1, 2, 3, 4, 5]}}


class Scripted:
    """An engine without processes. script: a generator function of a trial, of its reports; it returns the result."""

    def __init__(self, script):
        self.script, self.live, self.ready, self.started, self.most, self.ended = script, {}, [], [], 0, []

    def start(self, trial):
        assert trial.number not in self.live
        self.live[trial.number] = self.script(trial)
        self.ready.append(trial.number)
        self.started.append(trial)
        self.most = max(self.most, len(self.live))

    def events(self, timeout):
        events, self.ended = self.ended, []
        ready, self.ready = self.ready, []
        for number in ready:
            if number not in self.live:
                continue
            try:
                events.append(Report(number=number, value=next(self.live[number])))
                continue
            except StopIteration as end:
                value = end.value
            except Exception as error:
                value = str(error)
            del self.live[number]
            if isinstance(value, str):
                events.append(Ended(number=number, message=value))
            elif isinstance(value, dict):
                events.append(Ended(number=number, value=value.pop("default"), metrics=value))
            else:
                events.append(Ended(number=number, value=value))
        return events

    def go_on(self, number):
        assert number in self.live
        self.ready.append(number)

    def stop(self, number):
        if self.live.pop(number, None) is not None:
            self.ended.append(Ended(number=number, message="stopped"))

    def close(self):
        assert not self.live


def plain(trial):
    return trial.params["x"]
    yield


def plan(**changes):
    return replace(Plan(space=SPACE, searcher=Random(), limits=Limits(trials=6)), **changes)


@pytest.fixture
def search(tmp_path):
    """Makes a driver over the store in the test's folder, new or not, and lets it search."""

    def make(engine=None, watch=lambda driver: None, run=True, **changes):
        exists = (tmp_path / "experiment.db").exists()
        store = Store.open(tmp_path) if exists else Store.create(tmp_path, {})
        driver = Driver(store, plan(**changes), engine or Scripted(plain), watch)
        if run:
            driver.search()
        return driver

    return make


def essence(driver_or_store):
    """What must not depend on when it was killed."""
    store = getattr(driver_or_store, "store", driver_or_store)
    reports = store.reports()
    return [
        (row.number, row.kind, row.params, row.seed, row.state, row.value, row.message, reports.get(row.number))
        for row in store.trials()
    ]


def test_number_of_trials_and_their_seeds(search):
    driver = search(seed=3)
    assert [row.value for row in driver.store.trials()] == [row.params["x"] for row in driver.rows.values()]
    assert [row.seed for row in driver.store.trials()] == [3_000_000 + number for number in range(6)]
    assert driver.ended == "6 trials were run" and not driver.running and not driver.stopping
    assert driver.store.trials() == list(driver.rows.values())
    assert all(row.ended >= row.started for row in driver.rows.values())


def test_what_is_suggested_is_the_searchers(search):
    """One at a time: the searcher sees all earlier results, in their order."""
    driver = search(searcher=GP(startup=3), seed=5)
    history = History(SPACE, maximize=True)
    for number in range(6):
        params = GP(startup=3).suggest(SPACE, history, trial_rng(5, number))
        assert driver.rows[number].params == params
        history.add(params, params["x"])


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
    assert rows[1].message == "stopped before it had a result"


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

    row = search(Scripted(script), max_seconds=2.0, limits=Limits(trials=1)).rows[0]
    assert row.state == state and (row.message == "training took 2.5 s, more than 2") == (state == "failed")


def endless(trial):
    while True:
        time.sleep(0.001)
        yield 1.0


def test_requests(search, tmp_path):
    """Kill one, then stop: what runs is finished, and nothing is begun."""

    def script(trial):
        if trial.number < 2:
            yield from endless(trial)
        return 1.0

    def watch(driver):
        if len(driver.rows) == 2 and driver.curves[1] and not asked:
            ask(tmp_path, {"kill": 0})
            ask(tmp_path, {"kill": 77})
            asked.append(0)
        if len(driver.rows) >= 6 and asked == [0]:
            ask(tmp_path, {"stop": True})
            ask(tmp_path, {"kill": 1})
            asked.append(1)

    asked = []
    driver = search(Scripted(script), watch, concurrency=2, limits=Limits(trials=100))
    rows = list(driver.rows.values())
    assert [(row.state, row.message) for row in rows[:2]] == [("failed", "killed by the user")] * 2
    assert 6 <= len(rows) < 10 and {row.state for row in rows[2:]} == {"finished"}
    assert driver.stopping and driver.ended == "it was stopped"


def test_a_trial_that_is_killed_before_its_first_report(search, tmp_path):
    def watch(driver):
        if driver.running and not (tmp_path / "requests.jsonl").exists():
            ask(tmp_path, {"kill": 0})

    engine = WorkerEngine(FunctionEvaluator(lambda params: time.sleep(60)), tmp_path / "log")
    row = search(engine, watch, limits=Limits(trials=1)).rows[0]
    engine.close()
    assert (row.state, row.value, row.message) == ("failed", None, "killed by the user")


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
    for name in ("rows", "values", "states", "seeds", "points"):
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


def test_a_driver_in_a_thread(search):
    """It cannot take Ctrl-C, and does without."""
    before, found = signal.getsignal(signal.SIGINT), []

    def body():
        driver = search()
        found.append(len(driver.rows))
        driver.store.close()

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert found == [6] and signal.getsignal(signal.SIGINT) is before


INTERRUPTED = """
import sys, time
from pathlib import Path
from fastcifar.search.experiment.evaluator import FunctionEvaluator
from fastcifar.search.experiment.spec import Spec, driving
def objective(params, report):
    report(0.5)
    print("begun", flush=True)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and not Path("go").exists():
        time.sleep(0.01)
    return 1.0
def watch(driver):
    if any(driver.curves.values()):
        Path("begun").touch()
    if driver.stopping:
        Path("stopping").touch()
spec = Spec(space={"x": {"_type": "uniform", "_value": [0, 1]}}, tuner={"name": "Random"}, trials=5)
with driving(Path.cwd(), spec, watch, FunctionEvaluator(objective)) as driver:
    driver.search()
    print(driver.ended)
"""


def wait_for(path, process):
    until = time.monotonic() + 20
    while not path.exists():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("times", [1, 2])
def test_interrupt(tmp_path, times):
    """Once: the running trial is finished. Twice: it is left, to be run again."""
    code = INTERRUPTED.replace("SECONDS", "60")
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for(tmp_path / "begun", process)
    process.send_signal(signal.SIGINT)
    wait_for(tmp_path / "stopping", process)
    process.send_signal(signal.SIGINT) if times == 2 else (tmp_path / "go").touch()
    out, err = process.communicate(timeout=20)
    store = Store.read(tmp_path)
    states = [row.state for row in store.trials()]
    if times == 1:
        assert process.returncode == 0 and out == "it was interrupted\n" and states == ["finished"], err
        assert store.meta()["status"] == "stopped"
    else:
        assert process.returncode != 0 and "KeyboardInterrupt" in err and states == ["running"]
        assert store.meta()["status"] == "interrupted"
    (tmp_path / "go").touch()
    again = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert again.stdout == "5 trials were run\n", again.stderr
    assert [row.state for row in store.trials()] == ["finished"] * 5


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


@pytest.mark.parametrize("concurrency", [1, 3])
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


def test_speed(tmp_path):
    """A trial costs at most 20 ms once the workers are warm."""
    spec = Spec(space=ENTRIES, trials=200, tuner={"name": "Random"}, concurrency=2)
    with driving(tmp_path, spec, lambda driver: None, FunctionEvaluator(lambda params: params["x"])) as driver:
        driver.search()
    ends = sorted(row.ended for row in driver.rows.values())
    assert (ends[-1] - ends[10]) / 190 < 0.02
