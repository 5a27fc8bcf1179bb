"""`fastcifar experiment`, as its users meet it."""

import csv
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path

from experiments import FITS, SPACE, output, rows_of, spec_of

from fastcifar.cli import run
from fastcifar.experiment.exchange.csv_cells import text_of
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.folders import make_folder
from fastcifar.experiment.store.store import Store, TrialRow, locked
from fastcifar.search import Experiment
from fastcifar.search.spaces.named import named_space
from fastcifar.train import named_recipe


def test_list(id, capsys):
    (one,) = json.loads(output(capsys, "list", "--json"))
    rows = rows_of(f"runs/{id}")
    finished = [row.value for row in rows if row.state == "finished"]
    assert (one["id"], one["name"], one["status"]) == (id, "space", "done")
    assert one["trials"] == {
        "running": 0,
        "waiting": 0,
        "finished": len(finished),
        "stopped": 0,
        "failed": 8 - len(finished),
    }
    assert one["best"] == max(finished) and one["started"] == min(row.started for row in rows)
    header, line = output(capsys, "list").splitlines()
    assert header.split()[:4] == ["id", "name", "status", "running"] and line.split()[:3] == [id, "space", "done"]
    assert output(capsys, "list", "--out", "nowhere") == "no experiments in nowhere\n"


def test_list_says_what_is_killed_running_and_unreadable(id, capsys):
    store = Store.open(Path("runs") / id)
    store.set({"status": "running"})
    store.close()
    for name, text in {"broken": b"no database at all" * 100, "empty": b""}.items():
        Path("runs", name).mkdir()
        Path("runs", name, "experiment.db").write_bytes(text)
    shutil.copytree(f"runs/{id}", "runs/newer")
    with sqlite3.connect("runs/newer/experiment.db") as connection:
        connection.execute("PRAGMA user_version = 99")

    def statuses():
        return {one["id"]: one["status"] for one in json.loads(output(capsys, "list", "--json"))}

    unreadable = dict.fromkeys(("broken", "empty", "newer"), "unreadable")
    assert statuses() == {id: "killed", **unreadable}
    with locked(Path("runs") / id):
        assert statuses() == {id: "running", **unreadable}
    assert run(["experiment", "list"]) == 0
    assert "version 99" in capsys.readouterr().err
    for name in unreadable:
        (line,) = output(capsys, "show", name, code=1).splitlines()
        assert name in line and line.startswith("fastcifar: ")


def test_trials_that_nobody_runs_wait_for_a_resume(id, capsys):
    store = Store.open(Path("runs") / id)
    store.connection.execute("UPDATE trials SET state = 'running', ended = NULL WHERE number = 3")
    store.close()

    def states():
        (one,) = json.loads(output(capsys, "list", "--json"))
        number = json.loads(output(capsys, "trials", "--json"))[3]["state"]
        exported = json.loads(output(capsys, "export"))[3]["state"]
        logged = output(capsys, "log", "--trial", "3").split()[2].strip(":")
        assert Experiment.view(id).list_trial_jobs()[3]["status"] == number.upper()
        assert number == exported == logged
        return number, one["trials"]["running"], one["trials"]["waiting"]

    assert states() == ("waiting", 0, 1)
    assert (
        "1 waiting" in output(capsys, "show") and len(output(capsys, "trials", "--state", "waiting").split("\n")) == 3
    )
    with locked(Path("runs") / id):
        assert states() == ("running", 1, 0)


def test_which_experiment(id, capsys):
    assert output(capsys, "show") == output(capsys, "show", id) == output(capsys, "show", id[:-2])
    assert "there is no experiment 'other'" in output(capsys, "show", "other", code=1)
    shutil.copytree(f"runs/{id}", f"runs/{id}-2")
    assert "an ID is needed, there are 2" in output(capsys, "show", code=2)
    assert "more than one experiment" in output(capsys, "show", id[:4], code=1)
    assert "no experiment under nowhere" in output(capsys, "top", "--out", "nowhere", code=1)


def test_show_and_view(id, capsys):
    shown = json.loads(output(capsys, "show", "--json"))
    best = max((row for row in rows_of(f"runs/{id}") if row.value), key=lambda row: row.value)
    assert shown["status"] == "done" and shown["spec"]["trials"] == 8 and shown["best"]["number"] == best.number
    assert shown["summary"]["best"] == best.params
    text = output(capsys, "show")
    assert "function objective:f" in text and "8 trials, 1 at a time" in text and f"x={best.params['x']:.6g}" in text
    assert output(capsys, "view") == text + "\n" + output(capsys, "trials")
    assert len(json.loads(output(capsys, "view", "--json"))["list"]) == 8


def test_trials_and_top(id, capsys):
    rows = rows_of(f"runs/{id}")
    every = json.loads(output(capsys, "trials", "--json"))
    assert [(one["number"], one["state"], one["value"], one["params"]) for one in every] == [
        (row.number, row.state, row.value, row.params) for row in rows
    ]
    values = [one["value"] for one in json.loads(output(capsys, "trials", "--json", "--sort", "value"))]
    known = sorted(row.value for row in rows if row.value is not None)
    assert values == known + [None] * (8 - len(known))
    assert [one["params"]["x"] for one in json.loads(output(capsys, "trials", "--json", "--sort", "x"))] == sorted(
        row.params["x"] for row in rows
    )
    failed = output(capsys, "trials", "--state", "failed").splitlines()[1:]
    assert len(failed) == 8 - len(known) and all("no b here" in line for line in failed)
    top = json.loads(output(capsys, "top", "-n", "2", "--json"))
    assert [one["value"] for one in top] == known[:-3:-1]
    assert len(output(capsys, "top").splitlines()) == 1 + len(known)
    assert "did you mean failed" in output(capsys, "trials", "--state", "fail", code=2)
    assert "there is no column 'valu'; did you mean value" in output(capsys, "trials", "--sort", "valu", code=2)
    assert "-n: " in output(capsys, "top", "-n", "0", code=2)


def test_log(id, capsys):
    rows = rows_of(f"runs/{id}")
    failed = next(row for row in rows if row.state == "failed")
    text = output(capsys, "log")
    assert text.count("told ") == 8 and f"trial {failed.number} failed: RuntimeError: no b here" in text
    text = output(capsys, "log", "--trial", str(failed.number))
    assert "Traceback" in text and text.splitlines()[-1] == "RuntimeError: no b here"
    folder = Path("runs", id, "trials", "0")
    folder.mkdir(parents=True)
    (folder / "stderr").write_text("a word\n")
    assert output(capsys, "log", "--trial", "0").splitlines()[1:3] == [f"==> {folder / 'stderr'} <==", "a word"]
    assert f"{id} has no trial 99" in output(capsys, "log", "--trial", "99", code=1)


def test_export(id, capsys):
    rows = rows_of(f"runs/{id}")
    entries = json.loads(output(capsys, "export"))
    assert [(one["parameter"], one["value"], one["number"]) for one in entries] == [
        (row.params, row.value, row.number) for row in rows
    ]
    table = list(csv.DictReader(io.StringIO(output(capsys, "export", "--format", "csv"))))
    assert [float(line["x"]) for line in table] == [row.params["x"] for row in rows]
    assert [line["net/_name"] for line in table] == [row.params["net"]["_name"] for row in rows]
    assert [line["net/w"] for line in table] == [str(row.params["net"].get("w", "")) for row in rows]
    assert [line["params/seed"] for line in table] == [text_of(row.params["seed"]) for row in rows]
    assert [int(line["seed"]) for line in table] == [row.seed for row in rows]  # the trial's own
    assert output(capsys, "export", "-o", "all.csv") == ""
    assert Path("all.csv").read_text() == output(capsys, "export", "--format", "csv")


def test_another_space_is_checked_with_the_recipe(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "runs" / "1-search-ab12"
    path.mkdir(parents=True)
    recipe = named_recipe("resnet9-tiny").with_params({"total_epoch": 4})
    spec = Spec(space=named_space("channels"), recipe=recipe.to_dict())
    Store.create(path, {"spec": spec.to_dict()}).close()
    for entries, message in (
        ({"muon_lr": {"_type": "uniform", "_value": [1, 2]}}, "muon_lr does nothing with sgd (optimizer)"),
        ({"peak_epoch": {"_type": "randint", "_value": [3, 10]}}, "peak_epoch: a number at least 0 and at most total"),
    ):
        Path("wrong.json").write_text(json.dumps(entries))
        told = output(capsys, "update", path.name, "--space", "wrong.json", code=2)
        assert told.startswith(f"fastcifar: wrong.json: {message}")
    assert spec_of(path) == spec.to_dict()
    assert run(["experiment", "update", path.name, "--space", "lr"]) == 0
    assert "peak_epoch: 3 to 9 of 24 epochs becomes 0.5 to 1.5 of 4" in capsys.readouterr().err
    assert spec_of(path)["space"] == named_space("lr")


def test_update_where_it_does_not_run(id, capsys):
    assert run(["experiment", "update", id, "--trials", "12", "--duration", "2h", "--concurrency", "3"]) == 0
    assert {key: spec_of(f"runs/{id}")[key] for key in ("trials", "seconds", "concurrency")} == {
        "trials": 12,
        "seconds": 7200,
        "concurrency": 3,
    }
    Path("wide.json").write_text(json.dumps({**SPACE, "x": {"_type": "uniform", "_value": [-1, 2]}}))
    assert run(["experiment", "update", id, "--space", "wide.json"]) == 0
    assert spec_of(f"runs/{id}")["space"]["x"]["_value"] == [-1, 2]
    Path("narrow.json").write_text(json.dumps({**SPACE, "x": {"_type": "uniform", "_value": [0, 0.001]}}))
    message = output(capsys, "update", id, "--space", "narrow.json", code=2)
    assert "the space does not have the parameters of trial 0: x: " in message
    assert "what is to change" in output(capsys, "update", id, code=2)
    assert "--trials: a whole number at least 1" in output(capsys, "update", id, "--trials", "0", code=2)
    assert "--duration: a duration is" in output(capsys, "update", id, "--duration", "soon", code=2)
    assert "--max-failures: a whole number at least 0" in output(capsys, "update", id, "--max-failures", "-1", code=2)
    assert run(["experiment", "update", id, "--max-failures", "0"]) == 0 and spec_of(f"runs/{id}")["max_failures"] == 0


def test_create(id, capsys):
    Path("trial.py").write_text("import nni; nni.report_final_result(nni.get_next_parameter()['x'])")
    lines = ["experiment_name: tried", "search_space_file: space.json", "max_trial_number: 2", "trial_concurrency: 2"]
    lines += [
        f"trial_command: {sys.executable} trial.py",
        "tuner: {name: Random}",
        "training_service: {platform: local}",
    ]
    Path("config.yml").write_text("\n".join(lines))
    assert run(["experiment", "create", "-c", "config.yml", "--out", "fresh"]) == 0
    err = capsys.readouterr().err
    assert "trial 0 finished" in err and err.count("fresh/") == 1
    (one,) = json.loads(output(capsys, "list", "--out", "fresh", "--json"))
    assert one["status"] == "done" and one["trials"]["finished"] == 2
    assert "command" in output(capsys, "show", "--out", "fresh")
    Path("config.yml").write_text("\n".join(lines).replace("trial.py", "nothing.py"))
    assert "trial 0 failed" in output(capsys, "create", "-c", "config.yml", "--out", "fresh", code=1)
    Path("config.yml").write_text("max_trial_numbr: 2")
    assert "did you mean max_trial_number" in output(capsys, "create", "-c", "config.yml", code=2)


def test_delete(id, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert "--yes: it is needed" in output(capsys, "delete", id, code=2)
    monkeypatch.setattr("sys.stdin", terminal := io.StringIO("no\n"))
    terminal.isatty = lambda: True
    assert "nothing was deleted" in output(capsys, "delete", id, code=1)
    shutil.copytree(f"runs/{id}", "runs/other")
    assert run(["experiment", "delete", id, "--yes"]) == 0
    assert [path.name for path in Path("runs").iterdir()] == ["other"]
    assert run(["experiment", "delete", "--all", "--yes"]) == 0
    assert list(Path("runs").iterdir()) == []


def test_save_and_load(id, capsys):
    assert run(["experiment", "save", id, "one.tar.gz"]) == 0
    assert "exists already" in output(capsys, "save", id, "one.tar.gz", code=1)
    assert output(capsys, "load", "one.tar.gz", "--out", "copies") == f"copies/{id}\n"
    assert rows_of(f"copies/{id}") == rows_of(f"runs/{id}")
    assert "is there already" in output(capsys, "load", "one.tar.gz", code=1)
    assert sorted(path.name for path in Path("copies").iterdir()) == [id]
    Path("text.tar.gz").write_text("text")
    assert "text.tar.gz is no archive of an experiment" in output(capsys, "load", "text.tar.gz", code=1)
    with tarfile.open("evil.tar.gz", "w:gz") as archive:
        archive.add("space.json", "../../escaped.json")
    assert "is no archive of an experiment" in output(capsys, "load", "evil.tar.gz", code=1)
    assert not list(Path.cwd().parent.glob("**/escaped.json"))
    assert [path.name for path in Path("runs").iterdir()] == [id]


def test_ten_thousand_trials(tmp_path):
    folder = make_folder(tmp_path, "many")
    store = Store.create(folder, {"spec": Spec(space=SPACE).to_dict()})
    rows = [
        TrialRow(number=n, kind="search", params=FITS, seed=n, state="finished", value=float(n), started=1.0, ended=2.0)
        for n in range(10_000)
    ]
    store.add([(row, []) for row in rows], {})
    store.close()
    command = [sys.executable, "-m", "fastcifar", "experiment", "trials", "--out", str(tmp_path)]
    before = os.times()
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    after = os.times()
    assert len(done.stdout.splitlines()) == 10_001
    spent = after.children_user - before.children_user + after.children_system - before.children_system
    assert spent < 2.5  # about 0.8; seconds of the processor, for the machine may be busy
