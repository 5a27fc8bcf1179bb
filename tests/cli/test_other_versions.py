"""Stores that another version has written: read as they were, or refused in one line; never a traceback."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from experiments import output, spec_of
from made_results import made

from fastcifar.cli import run
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.store import Store, StoreError
from fastcifar.search import Experiment
from fastcifar.train import named_recipe


def edit(id, key, change):
    """Change a value of the store's meta in its file; `change` returns the new one."""
    with closing(sqlite3.connect(Path("runs", id, "experiment.db"))) as connection:
        (text,) = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        changed = change(json.loads(text))
        connection.execute("UPDATE meta SET value = ? WHERE key = ?", (json.dumps(changed), key))
        connection.commit()


def without(*names):
    return lambda values: {key: value for key, value in values.items() if key not in names}


def having(**more):
    return lambda values: values | more


READING = (["show"], ["view"], ["top"], ["trials"])
GOING_ON = (["resume", "ID"], ["update", "ID", "--trials", "9"], ["import", "ID", "some.json"])
TAKING_OUT = (["log"], ["export"], ["export", "-o", "all.csv"], ["save", "ID", "one.tar.gz"])


def refused(capsys, words, id, file=": "):
    """The one line of an action that is refused; it names the experiment, or a file in it."""
    capsys.readouterr()
    code = run(["experiment", *(id if word == "ID" else word for word in words)])
    err = capsys.readouterr().err
    assert code == 1 and len(err.splitlines()) == 1 and err.startswith(f"fastcifar: runs/{id}{file}"), (
        words,
        code,
        err,
    )
    return err


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (having(x=1), "its spec has 'x', which this one does not know"),
        (without("space"), "its spec has no 'space'"),
        (having(trials="many"), "its spec has \"many\" for 'trials'"),
        (having(confirm=3), "its spec has 3 for 'confirm'"),
        (having(confirm=[1, 2, 3]), "its spec has [1, 2, 3] for 'confirm'"),
        (having(tuner={"name": "GP", "warm": 1}), "its tuner has 'warm', which this one does not know"),
        (having(gpus={"share": 1}), "its gpus has 'share', which this one does not know"),
        (having(version=3, depth=1), "its spec has version 3, this one knows 2"),
        (having(version=True), "its spec has version true, this one knows 2"),
        (having(version=0), "its spec has version 0, this one knows 2"),
        (lambda values: [1], "its spec is [1]"),
    ],
)
def test_a_spec_that_cannot_be_read(id, capsys, change, why):
    Path("some.json").write_text("[]")
    edit(id, "spec", change)
    for words in (*READING, *GOING_ON):
        err = refused(capsys, words, id)
        assert f"made by another version of fastcifar ({why}); use the version that made it; " in err
    assert run(["search", "--resume", id]) == 1 and why in capsys.readouterr().err
    assert run(["supernet", "search", "--resume", id]) == 1 and why in capsys.readouterr().err
    with pytest.raises(StoreError, match="made by another version"):
        Experiment.resume(id)
    (one,) = json.loads(output(capsys, "list", "--json"))
    assert (one["id"], one["status"]) == (id, "unreadable") and why in one["message"]
    assert run(["experiment", "list"]) == 0 and why in capsys.readouterr().err


def test_results_are_taken_out_of_a_store_that_cannot_be_read(id, capsys):
    edit(id, "spec", having(x=1))
    for words in TAKING_OUT:
        capsys.readouterr()
        assert run(["experiment", *(id if word == "ID" else word for word in words)]) == 0, words
    assert len(Path("all.csv").read_text().splitlines()) == 9
    assert run(["experiment", "load", "one.tar.gz", "--out", "copies"]) == 1
    assert "made by another version of fastcifar" in capsys.readouterr().err
    assert f"{id} does not run" in output(capsys, "stop", id, code=1)
    assert "trial 0 does not run" in output(capsys, "kill", id, "--trial", "0", code=1)
    assert run(["experiment", "delete", id, "--yes"]) == 0


def test_what_is_missing_has_its_default(id, capsys):
    """All but the space and the function; `metric` and `maximize`, too, without which nothing is shown."""
    before = spec_of(f"runs/{id}")
    shown = output(capsys, "show")
    kept = ("version", "space", "function", "trials", "code_directory", "tuner", "name", "threads")
    edit(id, "spec", lambda values: {key: values[key] for key in kept})
    assert Spec.from_dict(spec_of(f"runs/{id}")).to_dict() == before  # it was made with the defaults of all others
    assert output(capsys, "show") == shown
    assert json.loads(output(capsys, "show", "--json"))["spec"] == before
    for words in (["list"], *READING):
        output(capsys, *words)
    assert run(["experiment", "update", id, "--trials", "9"]) == 0
    assert run(["search", "--resume", id]) == 0
    assert spec_of(f"runs/{id}") == before | {"trials": 9}


def test_a_spec_of_the_first_version(id, capsys):
    """It has no version, and no search was given up; what goes on has the present one."""
    before = spec_of(f"runs/{id}")
    assert before["version"] == 2
    edit(id, "spec", without("version", "max_failures"))
    assert json.loads(output(capsys, "show", "--json"))["spec"] == before | {"max_failures": 0}
    assert run(["experiment", "update", id, "--trials", "9"]) == 0
    assert spec_of(f"runs/{id}") == before | {"max_failures": 0, "trials": 9}
    edit(id, "spec", lambda values: without("version")(values) | {"max_failures": 3})
    assert json.loads(output(capsys, "show", "--json"))["spec"]["max_failures"] == 3


def test_tables_of_a_newer_version(id, capsys):
    with closing(sqlite3.connect(Path("runs", id, "experiment.db"))) as connection:
        connection.execute("PRAGMA user_version = 3")
    Path("some.json").write_text("[]")
    for words in (*READING, *GOING_ON, ["log"], ["log", "ID", "--trial", "0"], ["export"], ["save", "ID", "x.tar.gz"]):
        err = refused(capsys, words, id, "/experiment.db has version 3")
        assert "has version 3 of the schema; this fastcifar knows 2" in err
    (one,) = json.loads(output(capsys, "list", "--json"))
    assert one["status"] == "unreadable" and "has version 3 of the schema" in one["message"]


def test_a_recipe_of_another_version(id, capsys):
    recipe = named_recipe("resnet9-tiny").to_dict() | {"colour": 1}
    edit(id, "spec", having(recipe=recipe, recipe_name="it", function=None))
    output(capsys, "show")
    assert "(its recipe: a recipe has no field 'colour'" in refused(capsys, ["resume", "ID"], id)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (without("ended", "pareto", "verdict", "outcome", "best_value"), None),
        (having(more=1), None),
        (having(schema=2, best=3), "its summary has schema 2, this one knows 1"),
        (having(best=3), "its summary has 3 for 'best'"),
        (having(confirmed={}), "its summary has no 'seeds'"),
        (having(confirmed={"seeds": 1, "best": {"params": {}, "result": 1}}), "its summary has 1 for 'result'"),
        (having(pareto={"flops": [{"trial": 1}]}), "its summary's flops has no 'params'"),
        (lambda values: [], "its summary is []"),
    ],
)
def test_summaries(id, capsys, change, why):
    edit(id, "summary", change)
    for words in (["show"], ["top"]):
        if why is None:
            output(capsys, *words)
        else:
            assert why in refused(capsys, words, id)
    output(capsys, "trials")
    assert json.loads(output(capsys, "list", "--json"))[0]["status"] == ("done" if why is None else "unreadable")


def test_what_is_asked_of_a_supernet(id, capsys):
    store = Store.open(Path("runs", id))
    asked = {"method": "fair", "rates": "equal", "limits": {"flops": None, "watts": 3}, "trainings": 6}
    store.set({"supernet": asked})
    store.close()
    for changed, why in (
        (asked, "its limits has 'watts', which this one does not know"),
        (asked | {"limits": {}, "width": 1}, "its supernet has 'width', which this one does not know"),
        (without("method")(asked) | {"limits": {}}, "its supernet has no 'method'"),
        ([], "its supernet is []"),
    ):
        edit(id, "supernet", lambda _, changed=changed: changed)
        assert run(["supernet", "search", "--resume", id]) == 1
        err = capsys.readouterr().err
        assert len(err.splitlines()) == 1 and f"runs/{id}: made by another version of fastcifar ({why})" in err


def test_a_damaged_trial_is_shown_and_a_damaged_store_is_named(id, capsys):
    with closing(sqlite3.connect(Path("runs", id, "experiment.db"))) as connection:
        connection.execute("UPDATE trials SET params = '[1]' WHERE number = 2")
        connection.commit()
    for words in (["trials"], ["show"], ["export"]):
        assert words == ["show"] or "its params are no object: '[1]'" in output(capsys, *words)
    with closing(sqlite3.connect(Path("runs", id, "experiment.db"))) as connection:
        connection.execute("UPDATE meta SET value = '{' WHERE key = 'spec'")
        connection.commit()
    assert "the value of 'spec' is not JSON" in output(capsys, "show", code=1)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (having(recipe={"colour": 1}), "not a record of this version (a recipe has no field 'colour'"),
        (without("recipe"), "not the record of a run"),
        (without("seconds"), "not a record of this version (KeyError('seconds'))"),
        (having(seconds=3), "not a record of this version (TypeError("),
        (having(schema=2, seconds=3), "made by another version of fastcifar (its schema is 2, this one knows 1); use"),
        (having(schema=None), "made by another version of fastcifar (its schema is None, this one knows 1); use"),
    ],
)
def test_the_record_of_a_run_or_a_supernet(tmp_path, capsys, change, why):
    run_of_now = made(1, 0.5).to_dict()
    space = {"prep": {"_type": "choice", "_value": [2, 4]}}
    supernet = {**run_of_now, "space": space, "vary": [], "method": "fair", "rates": "equal"}
    for name, document, words in (
        ("run.json", run_of_now, ["train", "--resume"]),
        ("supernet.json", supernet, ["supernet", "rank"]),
    ):
        (tmp_path / name).write_text(json.dumps(change(document)))
        assert run([*words, str(tmp_path)]) == 1
        err = capsys.readouterr().err
        assert len(err.splitlines()) == 1 and err.startswith(f"fastcifar: {tmp_path / name}: {why}")
