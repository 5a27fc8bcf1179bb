"""`fastcifar runs`: lists, shows, deletes and notes."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_runs import copied, trained

from fastcifar.cli import run
from fastcifar.cli.parsing.flags import found_under
from fastcifar.cli.runs_text import beginnings, list_text
from fastcifar.train import format_header, format_row, load_result
from fastcifar.train.record.folder import Folder
from fastcifar.train.record.listing import Overview, overviews

ONE, TWO = "20261201-120000-resnet9-tiny-ab12", "20261202-130000-resnet9-cd34"
GROUP = {"kind": "compare", "id": "20261202-125959-ef56", "side": "B"}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs"), name="resnet9-tiny")


@pytest.fixture(autouse=True)
def runs(first, tmp_path, monkeypatch):
    """Two runs, of which the second was killed, in a working directory of their own."""
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    copied(first, "x").rename(Path("runs", ONE))
    changes = {"peak_lr": 0.3, "layer3": 128}
    device = "Intel(R) Xeon(R) Processor (AVX512)"
    record = {"status": "running", "changes": changes, "recipe_name": "resnet9", "device": device}
    record["settings"] = {"step": "eager", "group": GROUP, "device": "cpu"}
    copied(Path("runs", ONE), TWO, epochs=[0.25, 0.7893], **record)
    return Path("runs")


def listed(*words, capsys):
    assert run(["runs", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("words", [[], ["list"], ["--sort", "valid_acc"], ["list", "--sort", "recipe"]])
def test_runs_alone_lists(words, capsys):
    rows = listed(*words, capsys=capsys)
    assert {row["id"] for row in rows} == {ONE, TWO}
    keys = [row[words[-1]] for row in rows] if "--sort" in words else [row["id"] for row in rows]
    assert keys == sorted(keys)


def test_the_table(runs, capsys):
    (one, two) = overviews(runs)
    assert run(["runs"]) == 0
    names, first, second = capsys.readouterr().out.splitlines()
    assert names.split() == (
        "id kind recipe set dataset images split seed status epochs valid % train s wall s device part of note".split()
    )
    settings = "batch_size=32 peak_lr=0.1 prep=2 layer1=2 layer2=2 layer3=2 dataset=synthetic train_images=64"
    assert f"resnet9-tiny  {settings} total_epoch=1  synthetic      64  test" in first
    assert f"{100 * one.valid_acc:.2f}" in first.split()
    assert second.split()[:5] == [TWO, "run", "resnet9", "peak_lr=0.3", "layer3=128"]
    assert "test      0  killed       2/1    78.93      4.0" in second
    assert second.endswith("Intel(R) Xeon(R) Processor (AVX512)  compare 20261202-125959-ef56 B     -")
    assert two.wall_seconds == 5.0  # of its epochs: the record of one that was killed has no more to say


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (
            40,
            [
                "id               status    valid %",
                "20261201-120000  finished    90.00",
                "20261202-130000  killed      78.93",
            ],
        ),
        (
            80,
            [
                "id               recipe        set               seed  status    epochs  valid %",
                "20261201-120000  resnet9-tiny  batch_size=...       0  finished     1/1    90.00",
                "20261202-130000  resnet9       peak_lr=0.3 ...      0  killed       2/1    78.93",
            ],
        ),
        (
            170,
            [
                "id                                 recipe        set                      dataset    images  split  "
                "seed  status    epochs  valid %  train s  wall s  part of         note",
                "20261201-120000-resnet9-tiny-ab12  resnet9-tiny  batch_size=32 ...        synthetic      64  test   "
                "   0  finished     1/1    90.00      2.0     2.5  -               good",
                "20261202-130000-resnet9-cd34       resnet9       peak_lr=0.3 layer3=128   synthetic      64  test   "
                "   0  killed       2/1    78.93      4.0     5.0  compare ef56 B  -",
            ],
        ),
    ],
)
def test_the_table_fits_the_terminal(runs, width, lines):
    epochs = (runs / ONE / "epochs.csv").read_text().splitlines()
    (runs / ONE / "epochs.csv").write_text(f"{epochs[0]}\n1,0.1,2.0,1.5,0.5,0.5,1.5,0.9,2.5\n")
    record = json.loads((runs / ONE / "run.json").read_text())
    (runs / ONE / "run.json").write_text(json.dumps(record | {"seconds": {"wall": 0.0}}))
    (runs / ONE / "note.txt").write_text("good")
    assert list_text(overviews(runs), width).splitlines() == lines


def test_a_supernet_is_told_from_a_run_where_there_is_room():
    kinds = [("20261201-120000-lr-ab12", "run"), ("20261202-120000-supernet-resnet9-ab12", "supernet")]
    rows = [Overview(id=id, kind=kind, recipe="resnet9", status="finished", path=id) for id, kind in kinds]
    assert list_text(rows, 60).splitlines()[2].split()[:3] == ["20261202-120000", "supernet", "resnet9"]


def test_ids_are_shortened_to_what_is_unique():
    assert beginnings([TWO, ONE, f"{ONE[:-2]}99", "a", "abc"]) == [TWO[:15], ONE[:-1], f"{ONE[:-2]}9", "a", "abc"]
    assert beginnings([]) == [] and beginnings([ONE]) == [ONE[:15]]


def test_a_damaged_run_is_listed_with_its_path_on_stderr(runs, capsys):
    (runs / ONE / "run.json").write_text("{")
    assert run(["runs"]) == 0
    out, err = capsys.readouterr()
    assert ONE in out and "unreadable" in out and TWO in out
    assert (
        err == f"fastcifar: runs/{ONE}/run.json, line 1: not JSON: Expecting property name enclosed in double quotes\n"
    )
    assert run(["runs", "show", ONE]) == 1 and f"runs/{ONE}/run.json, line 1" in capsys.readouterr().err
    assert run(["runs", "delete", ONE, "--yes"]) == 0 and not (runs / ONE).exists()


def test_show(runs, capsys):
    (runs / TWO / "note.txt").write_text("a note")
    result = load_result(runs / TWO)
    assert run(["runs", "show", TWO]) == 0
    out = capsys.readouterr().out
    for line in (
        f"run         runs/{TWO}",
        "recipe      resnet9",
        "set         peak_lr=0.3 layer3=128",
        "data        synthetic (canonical: false): train 64 images, valid = test, 20 images",
        "status      killed, 2 of 1 epochs",
        "part of     compare 20261202-125959-ef56 B",
        "note        a note",
        "Finished Train/Valid in 5.00 seconds",
        "valid acc: 78.93 %",
    ):
        assert f"{line}\n" in out
    assert "\n".join([format_header(), *map(format_row, result.epochs)]) in out
    assert "settings    step=eager group=" in out and "torch=" in out and result.provenance["system"] in out


def test_show_of_a_run_that_has_finished_and_of_its_beginning(runs, capsys):
    record = json.loads((runs / ONE / "run.json").read_text())
    (runs / ONE / "run.json").write_text(json.dumps(record | {"tta_acc": 0.5, "test_acc": 0.25}))
    assert run(["runs", "show", "20261201"]) == 0
    out = capsys.readouterr().out
    assert "\nvalid acc over the views (tta=none): 50.00 %\ntest acc: 25.00 %\ntrained " in out
    assert " of a matrix product's\n" in out and "\nstatus      finished, 1 of 1 epochs\n" in out


def test_show_json_is_the_record_with_all_epochs_and_the_status_that_is_seen(runs, capsys):
    record = json.loads((runs / TWO / "run.json").read_text())
    assert run(["runs", "show", TWO, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [row["valid_acc"] for row in shown["epochs"]] == [0.25, 0.7893]
    own = {"id": TWO, "status": "killed", "note": None, "path": f"runs/{TWO}", "epochs": shown["epochs"]}
    assert shown == record | own


def test_show_a_supernet(runs, capsys):
    record = json.loads((runs / ONE / "run.json").read_text())
    own = {"method": "fair", "rates": "equal", "space": {"layer1": {}, "prep": {}}, "provenance": {"device": "a GPU"}}
    (runs / ONE / "run.json").unlink()
    (runs / ONE / "supernet.json").write_text(json.dumps(record | own))
    assert run(["runs", "show", ONE]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        f"supernet    runs/{ONE}\nrecipe      resnet9-tiny\nmethod      fair, rates equal; space: layer1, prep\n"
    )


def test_note(runs, capsys):
    assert run(["runs", "note", "20261202"]) == 0 and capsys.readouterr().out == "no note\n"
    assert run(["runs", "note", "20261202", "the", "good", "one: é"]) == 0
    assert run(["runs", "note", TWO]) == 0 and capsys.readouterr().out == "the good one: é\n"
    assert [row["note"] for row in listed(capsys=capsys)] == [None, "the good one: é"]
    assert run(["runs", "note", TWO, ""]) == 0
    assert [row["note"] for row in listed(capsys=capsys)] == [None, None]


def test_delete(runs, capsys):
    copied(runs / ONE, "another")
    assert run(["runs", "delete", "another", "20261201", ONE, "--yes"]) == 0
    assert capsys.readouterr().err == f"deleted runs/another\ndeleted runs/{ONE}\n"
    assert [path.name for path in runs.iterdir()] == [TWO]


@pytest.mark.parametrize(("answer", "left"), [("y\n", 1), ("n\n", 2), ("", 2)])
def test_delete_asks(runs, capsys, monkeypatch, answer, left):
    stdin = io.StringIO(answer)
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", stdin)
    assert run(["runs", "delete", ONE]) == (0 if left == 1 else 1)
    err = capsys.readouterr().err
    assert err.startswith(f"delete {ONE}, for good? [y/N]\n") and ("nothing was deleted" in err) == (left == 2)
    assert len(list(runs.iterdir())) == left


def test_delete_leaves_all_where_one_is_in_use_or_unknown(runs, capsys):
    with Folder(runs / TWO).locked():
        assert run(["runs", "delete", ONE, TWO, "--yes"]) == 1
    assert capsys.readouterr().err == f"fastcifar: nothing was deleted: a process is at work on {TWO}\n"
    assert run(["runs", "delete", ONE, "20261202-130000-resnet9-cd35", "--yes"]) == 1
    assert f"did you mean {TWO}" in capsys.readouterr().err
    assert run(["runs", "delete", ONE]) == 2 and "--yes: it is needed" in capsys.readouterr().err
    assert len(list(runs.iterdir())) == 2


def test_a_run_is_found_by_the_beginning_of_its_id(runs):
    for name in (f"runs/{ONE}", ONE, "20261201"):
        assert found_under(runs, name) == runs / ONE
    for name in ("2026", "2027"):  # several, none
        with pytest.raises(FileNotFoundError, match=f"there is no {name}, neither here nor under runs"):
            found_under(runs, name)


def test_no_action_on_runs_imports_torch(runs):
    words = [
        ["list"],
        ["list", "--json"],
        ["show", ONE],
        ["show", TWO, "--json"],
        ["note", ONE, "x"],
        ["delete", ONE, "--yes"],
    ]
    code = f"""
import sys
from fastcifar.cli import run
from fastcifar.cli.parsing.flags import found_under
assert [run(["runs", *words]) for words in {words}] == [0] * {len(words)}
sys.exit(", ".join({{"torch", "numpy", "pandas", "safetensors"}} & set(sys.modules)) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, f"deleted runs/{ONE}\n")
