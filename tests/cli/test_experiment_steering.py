"""`fastcifar experiment` with one that runs, and what needs one that runs."""

import json
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from experiments import CODE, SPACE, output, rows_of, spec_of

from fastcifar.cli import run
from fastcifar.experiment import control
from fastcifar.experiment.loop import StoppedNow
from fastcifar.experiment.session import driving
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.folders import make_folder


@pytest.fixture
def running(tmp_path, monkeypatch):
    """The folder of an experiment that runs in this process; trials with x above 0.5 take a minute."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "slow_objective.py").write_text(CODE)
    space = {"x": {"_type": "choice", "_value": [0.1, 0.2, 0.9]}}
    args = {"name": "Random", "class_args": {"repeats": True}}
    spec = Spec(space=space, tuner=args, function="slow_objective:slow", trials=100_000, concurrency=2)
    folder = make_folder(Path("runs"), "slow")
    began = threading.Event()

    def body():
        with (
            suppress(StoppedNow),
            driving(folder, spec, lambda driver: driver.running and began.set()) as driver,
        ):
            driver.search()

    thread = threading.Thread(target=body)
    thread.start()
    assert began.wait(10)
    yield folder
    while thread.is_alive():  # whatever the test has left of it
        control.ask(folder, {"stop": True})
        for row in rows_of(folder):
            control.ask(folder, {"kill": row.number}) if row.state == "running" else None
        thread.join(0.5)


def test_what_needs_a_running_one(id, capsys):
    assert f"{id} does not run" in output(capsys, "stop", id, code=1)
    assert "trial 0 does not run: it is" in output(capsys, "kill", id, "--trial", "0", code=1)
    assert run(["experiment", "stop", "--all"]) == 0
    assert "no experiment under runs runs" in capsys.readouterr().err
    assert "an ID or --all is needed" in output(capsys, "stop", code=2)
    assert "only one of them" in output(capsys, "stop", id, "--all", code=2)


def test_a_running_one_is_steered(running, capsys):
    name = running.name
    Path("space.json").write_text(json.dumps(SPACE))
    Path("some.json").write_text("[]")
    assert json.loads(output(capsys, "list", "--json"))[0]["status"] == "running"
    shown = output(capsys, "show")
    assert "best so far" in shown or "no result yet" in shown
    for refused in (["import", name, "some.json"], ["save", name, "some.tar.gz"]):
        assert "another process is at work" in output(capsys, *refused, code=1)
    assert "nothing was deleted" in output(capsys, "delete", name, "--yes", code=1)
    assert "its space can be changed when it has ended" in output(
        capsys, "update", name, "--space", "space.json", code=1
    )
    assert run(["experiment", "update", name, "--trials", "5000", "--duration", "1h"]) == 0
    assert (spec_of(running)["trials"], spec_of(running)["seconds"]) == (5000, 3600)
    assert run(["experiment", "update", name, "--max-failures", "0"]) == 0 and spec_of(running)["max_failures"] == 0

    def long_ones():
        return [row.number for row in rows_of(running) if row.state == "running" and row.params["x"] == 0.9]

    until = time.monotonic() + 10
    while len(long_ones()) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    first, second = long_ones()
    assert run(["experiment", "kill", name, "--trial", str(first)]) == 0
    assert f"trial {first}: failed: " in capsys.readouterr().err
    assert "asked to stop, but it still ends its running trials" in output(
        capsys, "stop", "--all", "--wait", "0.7s", code=1
    )
    for number in long_ones():
        assert run(["experiment", "kill", name, "--trial", str(number)]) == 0
    deadline = time.monotonic() + 10
    while json.loads(output(capsys, "list", "--json"))[0]["status"] != "stopped":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert f"trial {second} does not run" in output(capsys, "kill", name, "--trial", str(second), code=1)


def test_stop_waits_for_the_end(running, capsys):
    ended = threading.Event()

    def kill_what_takes_long():
        while not ended.wait(0.1):
            for row in rows_of(running):
                if row.state == "running":
                    control.ask(running, {"kill": row.number})

    killer = threading.Thread(target=kill_what_takes_long)
    killer.start()
    try:
        assert run(["experiment", "stop", running.name[:8]]) == 0
    finally:
        ended.set()
        killer.join()
    assert f"{running.name}: stopped" in capsys.readouterr().err
    assert json.loads(output(capsys, "list", "--json"))[0]["status"] == "stopped"


def test_stop_now(running, capsys):
    """What a second Ctrl-C does: trials of a minute are left, and the experiment waits for a resume."""
    until = time.monotonic() + 10
    while not any(row.state == "running" and row.params["x"] == 0.9 for row in rows_of(running)):
        assert time.monotonic() < until
    began = time.monotonic()
    assert run(["experiment", "stop", running.name, "--now"]) == 0
    assert time.monotonic() - began < 5
    assert f"{running.name}: stopped; go on with: fastcifar experiment resume {running}" in capsys.readouterr().err
    (one,) = json.loads(output(capsys, "list", "--json"))
    assert one["status"] == "interrupted" and one["trials"]["waiting"] and not one["trials"]["running"]
