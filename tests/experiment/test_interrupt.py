"""Ending an experiment from outside: Ctrl-C, requests, a thread."""

import signal
import subprocess
import sys
import threading
import time

import pytest
from scripted import ENTRIES, Scripted, endless, plain

from fastcifar.experiment.engines.local.pool import WorkerEngine
from fastcifar.experiment.loop import Limits
from fastcifar.experiment.objectives.base import FunctionEvaluator
from fastcifar.experiment.session import driving
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.requests import ask
from fastcifar.experiment.store.store import Store
from fastcifar.experiment.summary import confirmed, summary

INTERRUPTED = """
import sys, time
from pathlib import Path
from fastcifar.experiment.objectives.base import FunctionEvaluator
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.session import driving
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


def test_what_is_asked_while_it_starts_is_done(tmp_path, monkeypatch):
    def slow_start(*_, **__):
        ask(tmp_path, {"stop": True})
        return Scripted(plain)

    monkeypatch.setattr("fastcifar.experiment.engines.registry.WorkerEngine", slow_start)
    evaluator = FunctionEvaluator(lambda params: 1.0)
    with driving(tmp_path, Spec(space=ENTRIES, trials=50), lambda driver: None, evaluator) as driver:
        driver.search()
    assert driver.ended == "it was stopped" and len(driver.rows) < 50


def test_a_stop_amid_the_confirmation_confirms_nothing(search):
    def watch(driver):
        driver.stopping = any(row.kind == "confirm" for row in driver.rows.values())

    driver = search(Scripted(plain), watch, limits=Limits(trials=4))
    spec = Spec(space=ENTRIES, confirm=(2, 3))
    assert confirmed(spec, driver) is None
    assert 0 < sum(row.kind == "confirm" for row in driver.rows.values()) < 6
    found = summary(spec, driver, None)
    assert found["confirmed"] is None and found["best"] == driver.plan.searcher.best(driver.history)


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
    out, err = process.communicate(timeout=180)
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
