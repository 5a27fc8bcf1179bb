"""What the actions write: they say what and where, and replace a file only with --force; --json says the same."""

import json
import os
from pathlib import Path

import pytest
from experiments import output

from fastcifar.cli import run
from fastcifar.experiment.exchange.export import format_of
from fastcifar.making import may_write, write_text


def told(capsys, *words, code=0):
    """What an action says on stderr."""
    capsys.readouterr()
    assert run(["experiment", *words]) == code
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_export_says_what_it_wrote(id, capsys):
    assert told(capsys, "export", "-o", "all.csv") == "wrote 8 trials to all.csv\n"
    before = Path("all.csv").read_text()
    Path("all.csv").write_text("mine")
    err = told(capsys, "export", "-o", "all.csv", code=1)
    assert err == "fastcifar: all.csv exists already; --force replaces it\n" and Path("all.csv").read_text() == "mine"
    assert told(capsys, "export", "-o", "all.csv", "--force") == "wrote 8 trials to all.csv\n"
    assert Path("all.csv").read_text() == before and not list(Path.cwd().glob("*.new"))
    assert "x.xlsx: the ending says the format; known are .json, .csv" in told(capsys, "export", "-o", "x.xlsx", code=2)
    assert "all: the ending says the format" in told(capsys, "export", "-o", "all", code=2)
    assert "--format csv is not what the ending .json says" in told(
        capsys, "export", "-o", "x.json", "--format", "csv", code=2
    )
    assert told(capsys, "export", "-o", "all.txt", "--format", "csv") == "wrote 8 trials to all.txt\n"
    assert Path("all.txt").read_text() == before
    assert "runs is a folder" in told(capsys, "export", "-o", "runs", "--format", "csv", code=1)


@pytest.mark.parametrize(
    ("name", "said", "kind"), [("A.CSV", None, "csv"), ("a.json", "json", "json"), ("a", "csv", "csv")]
)
def test_the_format_of_a_file(name, said, kind):
    assert format_of(Path(name), said) == kind


def test_a_pipe_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    may_write(pipe, force=False)
    write_text(pipe, "text")
    assert os.read(reader, 9) == b"text"
    os.close(reader)


def test_save_and_load_say_what_they_did(id, capsys):
    err = told(capsys, "save", id, "one.tar.gz")
    size = Path("one.tar.gz").stat().st_size
    assert err == f"saved {id} to one.tar.gz ({size:,} bytes)\n"
    assert told(capsys, "save", id, "one.tar.gz", code=1) == (
        "fastcifar: one.tar.gz exists already; --force replaces it\n"
    )
    assert told(capsys, "save", id, "one.tar.gz", "--force").startswith(f"saved {id} to one.tar.gz")
    assert "one.zip: an experiment is saved as .tar.gz or .tgz" in told(capsys, "save", id, "one.zip", code=2)
    assert json.loads(output(capsys, "save", id, "two.tgz", "--json"))["file"] == "two.tgz"
    assert run(["experiment", "load", "two.tgz", "--out", "copies"]) == 0
    out, err = capsys.readouterr()
    assert out == f"copies/{id}\n"
    assert err.startswith(f"loaded {id} from two.tgz; it runs the function objective:f in ")
    assert err.endswith(", which resume does with --trust only\n")
    loaded = json.loads(output(capsys, "load", "two.tgz", "--out", "others", "--json"))
    (runs,) = loaded.pop("runs")
    assert runs.startswith("the function objective:f in ") and loaded == {"id": id, "path": f"others/{id}"}


def test_what_was_done_as_json(id, capsys):
    Path("some.json").write_text(json.dumps([{"parameter": {"x": 0.5, "seed": 1, "net": {"_name": "b"}}, "value": 3}]))
    done = json.loads(output(capsys, "import", id, "some.json", "--json"))
    assert done == {"id": id, "added": 1, "there": 0, "others": 0}
    done = json.loads(output(capsys, "update", id, "--trials", "12", "--json"))
    assert done == {"id": id, "changed": True, "trials": 12}
    assert json.loads(output(capsys, "stop", "--all", "--json")) == []
    log = json.loads(output(capsys, "log", "--json"))
    failed = json.loads(output(capsys, "trials", "--state", "failed", "--json"))
    assert log["failed"] == failed and sum(text.count("told ") for text in log["files"].values()) == 8
    one = json.loads(output(capsys, "log", "--trial", str(failed[0]["number"]), "--json"))
    assert one["trial"] == failed[0] and "RuntimeError: no b here" in one["traceback"] and one["files"] == {}
    assert json.loads(output(capsys, "delete", id, "--yes", "--json")) == {"deleted": [f"runs/{id}"]}
