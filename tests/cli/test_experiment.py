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
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from fastcifar.cli import run
from fastcifar.search import Experiment
from fastcifar.search.experiment import control
from fastcifar.search.experiment.driver import StoppedNow
from fastcifar.search.experiment.flat import text_of, value_of
from fastcifar.search.experiment.spec import Spec, driving, make_folder
from fastcifar.search.experiment.store import Store, TrialRow, locked

SPACE = {
    "x": {"_type": "uniform", "_value": [0, 1]},
    "seed": {"_type": "choice", "_value": ["1", 1, "one", None]},
    "net": {
        "_type": "choice",
        "_value": [{"_name": "a", "w": {"_type": "randint", "_value": [1, 9]}}, {"_name": "b"}],
    },
}
CODE = """
import time
def f(params):
    print("told", params["x"])
    if params["net"]["_name"] == "b":
        raise RuntimeError("no b here")
    return params["x"]
def slow(params):
    time.sleep(params["x"] > 0.5 and 60 or 0.01)
    return params["x"]
"""


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder with one experiment of 8 trials, some of which fail."""
    place = tmp_path_factory.mktemp("made")
    (place / "objective.py").write_text(CODE)
    (place / "space.json").write_text(json.dumps(SPACE))
    before = Path.cwd()
    try:
        os.chdir(place)
        arguments = ["--space", "space.json", "--objective", "objective:f", "--trials", "8", "--tuner", "Random"]
        assert run(["search", *arguments, "--json"]) == 0
    finally:
        os.chdir(before)
    return place


@pytest.fixture
def id(made, tmp_path, monkeypatch):
    """The id of a copy of that experiment, in a working directory of its own."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    (folder,) = (tmp_path / "runs").iterdir()
    return folder.name


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


def rows_of(folder):
    store = Store.read(Path(folder))
    try:
        return store.trials()
    finally:
        store.close()


def spec_of(folder):
    store = Store.read(Path(folder))
    try:
        return store.meta()["spec"]
    finally:
        store.close()


def output(capsys, *arguments, code=0):
    """What the action prints on stdout; on stderr where it fails."""
    capsys.readouterr()
    assert run(["experiment", *arguments]) == code
    out, err = capsys.readouterr()
    return out if code == 0 else err


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


@pytest.mark.parametrize("value", ["", "1", "one", "NaN", "null", 'a "b"', 1, 1.0, 0.1 + 0.2, True, None, [1, "x"]])
def test_cells_lose_nothing(value):
    found = value_of(text_of(value))
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("name", ["all.json", "all.csv"])
def test_import_of_an_export_and_resume(id, capsys, name):
    output(capsys, "export", "-o", name)
    before = [row for row in rows_of(f"runs/{id}") if row.state == "finished"]
    here, id = id, make_folder(Path("runs"), "another").name
    Store.create(Path("runs", id), {"spec": spec_of(f"runs/{here}"), "status": "done"}).close()
    assert run(["experiment", "import", id, name]) == 0
    assert capsys.readouterr().err.startswith(f"{len(before)} trials were added; {8 - len(before)} were passed over")
    added = rows_of(f"runs/{id}")
    assert [(row.params, row.value, row.seed, row.started, row.ended) for row in added] == [
        (row.params, row.value, row.seed, row.started, row.ended) for row in before
    ]
    assert {(row.kind, row.state, row.message) for row in added} == {("search", "finished", f"imported from {name}")}
    assert spec_of(f"runs/{id}")["trials"] == 8 + len(before)
    for again in (id, here):
        assert run(["experiment", "import", again, name]) == 0
        assert capsys.readouterr().err.startswith(f"0 trials were added; {len(before)} were there already; ")
        assert len(rows_of(f"runs/{again}")) == (8 if again == here else len(before))
    assert run(["experiment", "update", id, "--trials", str(1 + len(before))]) == 0
    assert run(["experiment", "resume", id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trials"]["all"] == 1 + len(before)


def test_import_as_nnictl_exports(id, capsys):
    params = {"x": 0.5, "seed": None, "net": {"_name": "b"}}
    values = [7, "8", {"default": 9, "acc": 0.5}, '{"default": 10}']
    entries = [{"parameter": params, "value": value, "trialJobId": "k2Xf"} for value in values]
    Path("nni.json").write_text(json.dumps(entries))
    assert run(["experiment", "import", id, "nni.json"]) == 0
    added = rows_of(f"runs/{id}")[8:]
    assert [row.value for row in added] == [7, 8, 9, 10] and added[2].metrics == {"acc": 0.5}
    assert all(row.params == params for row in added)


def test_what_is_there_already_is_not_imported_again(id, capsys):
    """The same point may be tried twice, with one result: each trial stands for one entry."""
    point = {"x": 0.5, "seed": None, "net": {"_name": "b"}}

    def imported(*entries):
        Path("some.json").write_text(json.dumps([{"parameter": point, **entry} for entry in entries]))
        assert run(["experiment", "import", id, "some.json"]) == 0
        return capsys.readouterr().err.strip()

    assert imported({"value": 7}, {"value": 7}) == "2 trials were added"
    assert imported({"value": 7}) == "0 trials were added; 1 was there already"
    assert imported({"value": 7}, {"value": 7}, {"value": 7}) == "1 trial was added; 2 were there already"
    assert imported({"value": 7, "seed": 5}) == "1 trial was added"  # another run of the point
    assert imported({"value": 7, "seed": 5}, {"value": 8, "state": "failed"}) == (
        "0 trials were added; 1 was there already; 1 was passed over: no finished trial of a search"
    )
    assert imported({"value": 7, "parameter": {**point, "x": 0.25}}) == "1 trial was added"
    assert spec_of(f"runs/{id}")["trials"] == 8 + 5


FITS = {"x": 0.5, "seed": 1, "net": {"_name": "a", "w": 3}}


@pytest.mark.parametrize(
    ("params", "value", "message"),
    [
        ({**FITS, "x": 1.5}, 1, "x: 1.5 is no value of uniform [0, 1]"),
        ({**FITS, "seed": 2}, 1, "seed: 2 is none of its values"),
        ({**FITS, "net": {"_name": "c"}}, 1, "net: {'_name': 'c'} is none of its options"),
        ({**FITS, "y": 1}, 1, "y: the space has no such parameter"),
        ({"x": 0.5}, 1, "seed: it is missing"),
        (FITS, "good", "value: a number is needed, not 'good'"),
        (FITS, None, "a result is a number"),
        (FITS, "NaN", "the result is nan"),
    ],
)
def test_import_names_the_entry_that_does_not_fit(id, capsys, params, value, message):
    Path("bad.json").write_text(json.dumps([{"parameter": FITS, "value": 1}, {"parameter": params, "value": value}]))
    assert f"bad.json, entry 1: {message}" in output(capsys, "import", id, "bad.json", code=2)
    assert len(rows_of(f"runs/{id}")) == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{]", "bad, line 1: not JSON"),
        ("{}", "bad: a list of entries is needed"),
        ("[1]", "bad, entry 0: an object"),
        ("x,y\n1,2\n", "bad: neither a JSON list nor CSV with a column 'value'"),
        ("value,x,params/seed,net/_name,z\n1,0.5,1,b,7\n", "bad, line 2: z: the space has no such parameter"),
        ("value,x,params/seed,net/_name\n1,0.5,1,c\n", "bad, line 2: net/_name: 'c' is none of 'a', 'b'"),
        ("value,x,params/seed,net/_name\n1,,1,b\n", "bad, line 2: x: it is missing"),
        ("value,x,params/seed,net/_name\n1,0.5,1,b,5,6\n", "bad, line 2: it has more cells"),
    ],
)
def test_import_of_a_bad_file(id, capsys, text, message):
    Path("bad").write_text(text)
    assert message in output(capsys, "import", id, "bad", code=2)
    assert len(rows_of(f"runs/{id}")) == 8


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
    assert "--trials: a whole number of at least 1" in output(capsys, "update", id, "--trials", "0", code=2)
    assert "--duration: a duration is" in output(capsys, "update", id, "--duration", "soon", code=2)


def test_what_needs_a_running_one(id, capsys):
    assert f"{id} does not run" in output(capsys, "stop", id, code=1)
    assert "trial 0 does not run: it is" in output(capsys, "kill", id, "--trial", "0", code=1)
    assert run(["experiment", "stop", "--all"]) == 0
    assert "no experiment under runs runs" in capsys.readouterr().err
    assert "an ID or --all is needed" in output(capsys, "stop", code=2)
    assert "only one of them" in output(capsys, "stop", id, "--all", code=2)


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
    Path("config.yml").write_text("max_trial_numbr: 2")
    assert "did you mean max_trial_number" in output(capsys, "create", "-c", "config.yml", code=2)


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
    assert "is there already" in output(capsys, "save", id, "one.tar.gz", code=1)
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
    store.connection.execute("BEGIN")
    for number in range(10_000):
        row = TrialRow(number=number, kind="search", params=FITS, seed=number, state="running", started=1.0)
        store.start(row)
    store.connection.execute("UPDATE trials SET state = 'finished', value = number, ended = 2")
    store.connection.execute("COMMIT")
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
