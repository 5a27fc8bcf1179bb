"""`fastcifar search` in processes of its own: interrupted, killed, timed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from searches import F, name_of, search

from fastcifar.experiment.store.store import Store


@pytest.fixture(autouse=True)
def folder(search_folder):
    return search_folder


def cli(folder, *words):
    program = [sys.executable, "-c", "import fastcifar.cli; fastcifar.cli.main()", "search", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(program, cwd=folder, text=True, **pipes)


def new(folder):
    objective = f"{name_of(folder)}:slow"
    return cli(folder, *f"--space x.json --trials 25 --seed 3 --tuner Random --objective {objective}".split())


@pytest.mark.slow
def test_interrupt_and_resume(folder):
    process = new(folder)
    while "trial 0 finished" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=180)
    (runs,) = (folder / "runs").iterdir()
    assert process.returncode == 130
    assert (
        "waiting for 0" not in err
        and "it was interrupted" in err
        and f"go on with: fastcifar search --resume runs/{runs.name}" in err
    )
    rows = Store.read(runs).trials()
    assert 1 <= len(rows) < 25 and {row.state for row in rows} == {"finished"}
    assert Store.read(runs).meta()["status"] == "stopped"
    for path in folder.glob("*.json"):
        path.unlink()  # a search has its space with it
    again = cli(folder, "--resume", f"runs/{runs.name}")
    out, err = again.communicate(timeout=180)
    assert again.returncode == 0, err
    assert (
        (f"{len(rows)} trials are there" in err or "1 trial is there" in err)
        and "25 trials were run" in err
        and "best: x=" in out
    )
    assert [row.number for row in Store.read(runs).trials()] == list(range(25))
    assert Store.read(runs).trials()[: len(rows)] == rows


@pytest.mark.slow  # again and again
def test_kills(folder):
    """benchmarks/kill_loop.py does this at length."""
    rng, kills = random.Random(0), 0
    while True:
        found = [path.parent for path in folder.glob("runs/*/experiment.db")]
        assert len(found) <= 1
        process = cli(folder, "--resume", found[0].name) if found else new(folder)
        try:
            process.wait(rng.uniform(0.4, 1.2) if kills < 3 else 60)
            break
        except subprocess.TimeoutExpired:
            process.kill()
            kills += 1
        finally:
            _, err = process.communicate()
    assert process.returncode == 0 and kills, err
    (runs,) = (folder / "runs").iterdir()
    rows = Store.read(runs).trials()
    assert [row.number for row in rows] == list(range(25))
    assert [row.seed for row in rows] == [3_000_000 + number for number in range(25)]
    assert all(row.value == row.params["x"] + row.seed % 3 for row in rows)
    reports = Store.read(runs).reports()
    assert all(reports[row.number] == [row.params["x"] * step for step in range(3)] for row in rows)


def test_speed(folder, capsys):
    """200 trials of a trivial function, 2 at a time: 8 s from command to prompt, twice that on a busy machine."""
    words = f"--space x.json --objective {name_of(folder)}:f --trials 200 --concurrency 2 --tuner Random"
    began = time.monotonic()
    process = cli(folder, *words.split())
    _, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert time.monotonic() - began < 16


def test_workers_are_gone_at_the_end(folder):
    assert search(folder, F) == 0
    assert not [pid for pid in children(os.getpid()) if "fastcifar.experiment.engines.local.worker" in pid]


def children(parent):
    commands = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if int((path / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                commands.append((path / "cmdline").read_text())
        except (OSError, ValueError):
            continue
    return commands
