"""Stores that versions of fastcifar have kept, see tests/kept: this one reads them, and goes on with them."""

import csv
import json
import shutil
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
from experiments import output, rows_of, spec_of

from fastcifar.cli import run
from fastcifar.experiment.spec import VERSION
from fastcifar.experiment.store.reader import Reader
from fastcifar.experiment.store.schema import VERSION as SCHEMA
from fastcifar.experiment.store.schema import version_of
from fastcifar.experiment.store.store import Store

KEPT = Path(__file__).parents[2] / "kept"
FUNCTIONS = sorted(path.parent.name for path in KEPT.glob("*/function"))
TRAININGS = sorted(path.parent.name for path in KEPT.glob("*/training"))
XS = [0.6369616873214543, 0.8897387912781343, 0.08082403917318748]  # of the three trials
NEXT = [0.8949727407898387, 0.8830719356077292]  # what the searcher draws after them


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Copies one of the kept stores to runs/ID under the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    shutil.copy(KEPT / "objective.py", tmp_path)

    def copy(version, kind):
        shutil.copytree(KEPT / version / kind, tmp_path / "runs" / kind)
        return kind

    return copy


def test_there_is_one_of_this_version():
    assert f"schema-{SCHEMA}" in FUNCTIONS and f"schema-{SCHEMA}" in TRAININGS
    with closing(Store.read(KEPT / f"schema-{SCHEMA}" / "function")) as store:
        assert version_of(store.connection) == SCHEMA and store.meta()["spec"]["version"] == VERSION


@pytest.mark.parametrize("version", FUNCTIONS)
def test_a_function_is_looked_at(kept, capsys, version):
    id = kept(version, "function")
    before = Path("runs", id, "experiment.db").read_bytes()
    (one,) = json.loads(output(capsys, "list", "--json"))
    assert (one["status"], one["trials"]["finished"], one["outcome"]) == ("done", 5, "confirmed")
    shown = json.loads(output(capsys, "show", id, "--json"))
    assert shown["spec"]["version"] == VERSION and shown["spec"]["confirm"] == [1, 2]
    assert shown["spec"]["max_failures"] == (0 if version == "early" else 20)
    assert shown["best"]["value"] == shown["summary"]["best_value"] == max(XS)
    assert "confirmed: the result of the chosen point is 0.889739" in output(capsys, "show", id)
    trials = json.loads(output(capsys, "trials", id, "--json"))
    assert [one["value"] for one in trials] == [*XS, max(XS), max(XS)]
    assert [one["kind"] for one in trials] == ["search"] * 3 + ["confirm"] * 2
    top = json.loads(output(capsys, "top", id, "--json"))
    assert [one["value"] for one in top] == [max(XS), *sorted(XS, reverse=True)]
    output(capsys, "view", id)
    output(capsys, "log", id)
    assert "trial 1 finished" in output(capsys, "log", id, "--trial", "1")
    exported = json.loads(output(capsys, "export", id))
    assert [one["parameter"]["x"] for one in exported[:3]] == XS
    assert exported[0]["intermediate"] == pytest.approx([XS[0] / 3, 2 * XS[0] / 3, XS[0]])
    assert exported[0]["metrics"] == {"cost": 2 * XS[0]}
    table = list(csv.DictReader(output(capsys, "export", id, "--format", "csv").splitlines()))
    assert [float(one["x"]) for one in table] == [*XS, max(XS), max(XS)]
    found = Reader(Path("runs", id)).changes()
    assert [len(found.trials), len(found.reports)] == [5, 5]
    assert Path("runs", id, "experiment.db").read_bytes() == before


@pytest.mark.parametrize("version", FUNCTIONS)
def test_a_function_is_gone_on_with(kept, capsys, version):
    """Its searcher knows the trials that are there; what it draws next is what it would have drawn then."""
    id = kept(version, "function")
    assert run(["experiment", "update", id, "--trials", "5"]) == 0
    assert run(["experiment", "resume", id]) == 0
    rows = rows_of(f"runs/{id}")
    assert [row.params["x"] for row in rows[:3]] == XS and spec_of(f"runs/{id}")["version"] == VERSION
    assert [row.kind for row in rows if row.number >= 5][:2] == ["search"] * 2
    assert all(row.state == "finished" and row.value == row.params["x"] for row in rows)
    drawn = [row.params["x"] for row in rows if row.kind == "search"]
    assert drawn == [*XS, *NEXT]
    with closing(Store.read(Path("runs", id))) as store:
        assert store.version == SCHEMA and len(store.reports()[5]) == 3


@pytest.mark.parametrize("version", FUNCTIONS)
def test_results_are_imported(kept, capsys, version):
    id = kept(version, "function")
    Path("more.json").write_text(json.dumps([{"parameter": {"x": x}, "value": x} for x in (0.5, XS[0])]))
    done = json.loads(output(capsys, "import", id, "more.json", "--json"))
    assert (done["added"], done["there"]) == (1, 1)
    assert rows_of(f"runs/{id}")[-1].params == {"x": 0.5} and spec_of(f"runs/{id}")["trials"] == 4


@pytest.mark.parametrize("version", FUNCTIONS)
def test_it_is_packed_and_unpacked(kept, capsys, version):
    """Also an archive that was made by the older version."""
    id = kept(version, "function")
    with tarfile.open("one.tar.gz", "w:gz") as archive:
        archive.add(Path("runs", id), id)
    assert run(["experiment", "load", "one.tar.gz", "--out", "copies"]) == 0
    assert rows_of(f"copies/{id}") == rows_of(f"runs/{id}")
    assert run(["experiment", "save", id, "two.tar.gz"]) == 0
    assert run(["experiment", "load", "two.tar.gz", "--out", "more"]) == 0
    assert rows_of(f"more/{id}") == rows_of(f"runs/{id}")


@pytest.mark.parametrize("version", TRAININGS)
def test_a_training_is_looked_at(kept, capsys, version):
    id = kept(version, "training")
    (one,) = json.loads(output(capsys, "list", "--json"))
    assert one["status"] == "done" and one["percent"] and one["confirmed"] and one["outcome"] == "not_shown"
    shown = json.loads(output(capsys, "show", id, "--json"))
    assert shown["spec"]["recipe"]["total_epoch"] == 2 and shown["summary"]["confirmed"]["seeds"] == 2
    text = output(capsys, "show", id)
    assert "not shown to be better than tiny: 2 pairs finished, 3 are needed" in text
    assert "best for its FLOPs of an image" in text
    top = json.loads(output(capsys, "top", id, "--json"))
    assert [one["kind"] for one in top] == ["confirm", "default", "search", "search"]
    exported = json.loads(output(capsys, "export", id))
    assert [len(one["metrics"]["epoch_seconds"]) for one in exported] == [2] * 6
    output(capsys, "trials", id)
    output(capsys, "log", id)
    Path("more.json").write_text(json.dumps([{"parameter": {"peak_lr": 0.2}, "value": 12.5}]))
    assert run(["experiment", "import", id, "more.json"]) == 0
    assert len(rows_of(f"runs/{id}")) == 7
