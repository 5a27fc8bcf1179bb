"""Signals to a command that runs: what is kept, what is said, what is left."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from fastcifar import stopping
from fastcifar.cli import run
from fastcifar.experiment.store.store import Store

SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}}
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """A folder of its own, and the patience that a busy machine needs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stopping, "GRACE", 60.0)
    (tmp_path / "x.json").write_text(json.dumps(SPACE))


def search(*words):
    return run(["search", "--space", "x.json", "--tuner", "Random", "--trials", "25", *words])


def when(condition, *numbers):
    """Send this process the signals, each when it has heard of the one before, once something is so."""

    def body():
        until = time.monotonic() + 60
        for number in numbers:
            asked = 0 if stopping._current is None else stopping._current.asked
            while not condition() and time.monotonic() < until:
                time.sleep(0.01)
            os.kill(os.getpid(), number)
            while stopping._current is not None and stopping._current.asked == asked and time.monotonic() < until:
                time.sleep(0.01)

    thread = threading.Thread(target=body)
    thread.start()
    return thread


def alive(pid):
    with suppress(OSError):
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return False


@pytest.mark.parametrize("numbers", [(signal.SIGTERM,), (signal.SIGHUP,), (signal.SIGINT, signal.SIGINT)])
def test_a_search_of_commands_that_is_to_stop_now(numbers, capsys):
    """What runs is ended, with its children, and is for a resume to run again."""
    begun = Path("begun").absolute()
    thread = when(begun.exists, *numbers)
    child = f"echo $$ > {begun}.part; mv {begun}.part {begun}; exec sleep 300"
    code = search("--command", f"sh -c '{child}'; true")
    thread.join()
    assert code == 130
    (folder,) = Path("runs").iterdir()
    err = capsys.readouterr().err.splitlines()
    assert err[-2:] == [f"go on with: fastcifar search --resume runs/{folder.name}", "fastcifar: interrupted"]
    store = Store.read(folder)
    assert [row.state for row in store.trials()] == ["running"] and store.meta()["status"] == "interrupted"
    store.close()
    until = time.monotonic() + 20
    while any(map(alive, begun.read_text().split())):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_first_ctrl_c_lets_the_trial_end(capsys):
    thread = when(Path("begun").absolute().exists, signal.SIGINT)
    go = threading.Timer(0, lambda: (thread.join(), Path("go").touch()))
    go.start()
    here = Path.cwd()
    command = f"touch {here}/begun; until [ -e {here}/go ]; do sleep 0.02; done; exit 3"
    code = search("--command", command)
    go.join()
    assert code == 130
    (folder,) = Path("runs").iterdir()
    store = Store.read(folder)
    assert [row.state for row in store.trials()] == ["failed"] and store.meta()["status"] == "stopped"
    store.close()
    assert "it was interrupted" in capsys.readouterr().err


def test_a_signal_amid_a_fork_is_not_lost():
    """What a handler raises in a hook goes nowhere: the search went on to its end, with exit code 0."""
    armed = [True]

    def hook():
        if armed and stopping._current is not None:
            armed.clear()
            os.kill(os.getpid(), signal.SIGTERM)

    os.register_at_fork(before=hook)
    try:
        assert search("--command", "sleep 0.2") == 130
    finally:
        armed.clear()
    (folder,) = Path("runs").iterdir()
    store = Store.read(folder)
    assert len(store.trials()) < 25
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["functions", "commands", "training", "supernet"])
def test_many_signals(kind):
    """benchmarks/kill_loop.py: nothing that was announced is lost, no process is left, no signal goes unheard."""
    program = [sys.executable, str(ROOT / "benchmarks/kill_loop.py"), "--kills", "5", "--kinds", kind]
    done = subprocess.run(program, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
