"""Many runs and comparisons as a user meets them."""

import json
import re
import sys
from pathlib import Path

import pytest
from coloured import coloured

from fastcifar.cli import run
from fastcifar.train import TrainError

FLAGS = ["resnet9-tiny", "--dataset", "synthetic", "--device", "cpu", "--epochs", "1", "--set", "train_images=64"]
FLAGS += ["batch_size=32", "prep=2", "layer1=2", "layer2=2", "layer3=2", "precision=O0"]
TRAIN, COMPARE = ["train", *FLAGS], ["compare", *FLAGS]
DIVERGES = "peak_lr=1e20"


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """A folder of its own, and small images under the name synthetic."""
    dataset = coloured(640, 200)
    monkeypatch.setattr(sys.modules["fastcifar.data"], "load", lambda name, *rest: dataset)
    monkeypatch.chdir(tmp_path)


def interrupt_in_run(number, monkeypatch, error=KeyboardInterrupt):
    """End the epoch of the run of that number, counted without the ones that warm up."""
    module, epochs = sys.modules["fastcifar.train.session"], []
    original = module.evaluate

    def evaluate(*arguments):
        epochs.append(1)
        if len(epochs) == number:
            raise error
        return original(*arguments)

    monkeypatch.setattr(module, "evaluate", evaluate)


def keys_in_docs(head):
    """The keys of the first column of the table under that heading of docs/many_runs.md."""
    text = (Path(__file__).parents[2] / "docs" / "many_runs.md").read_text()
    table = text.split(f"## {head}\n")[1].split("\n## ")[0]
    first = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {key for cell in first for key in re.findall("`(.*?)`", cell)}


def test_many_runs(capsys):
    assert run([*TRAIN, "--runs", "3", "--seed", "5", "--target", "1.5"]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r"about .* s: 3 runs of about .* s\nrecord: runs/.*-runs-resnet9-tiny-....\n", err)
    lines = out.splitlines()
    assert "; seeds 5 to 7; O0 on" in lines[0] and "SYNTHETIC" in lines[1] and lines[1] == lines[-1]
    assert lines[2].split() == ["run", "seed", "valid", "acc", "%", "prepare", "train", "evaluate", "record"]
    rows = [line.split() for line in lines[3:6]]
    assert [row[:2] for row in rows] == [["1", "5"], ["2", "6"], ["3", "7"]]
    for row in rows:
        record = json.loads((Path("runs") / row[-1] / "run.json").read_text())
        assert record["status"] == "finished" and record["seed"] == int(row[1])
        assert f"{100 * record['epochs'][-1]['valid_acc']:.2f}" == row[2]
    mean = sum(float(row[2]) for row in rows) / 3
    assert f"valid acc: mean {mean:.2f} %, standard deviation " in out and "3 runs" in out
    assert "mean seconds: prepare " in out
    assert "reached 1.5 %: 3 of 3 runs, 100.0 % (95 % interval 43.9 to 100.0)" in out
    assert len(list(Path("runs").iterdir())) == 4  # the series' own; the one that warmed up left nothing


def test_views(capsys):
    """They are shown by a single run, by many, and in a comparison with a recipe without."""
    assert run([*TRAIN, "--set", "tta=flip"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("valid acc over the views"))
    (folder,) = Path("runs").iterdir()
    record = json.loads((folder / "run.json").read_text())
    assert f"(tta=flip): {100 * record['tta_acc']:.2f} %, " in line
    assert run([*TRAIN, "--runs", "2", "--set", "tta=flip"]) == 0
    out = capsys.readouterr().out
    assert "valid acc %    tta acc %      prepare        train          tta     evaluate" in out
    assert "\nacc over views: mean " in out and "\nvalid acc: mean " in out and ", tta " in out
    assert run([*COMPARE, "--runs", "3", "--set-b", "tta=flip"]) == 0
    out = capsys.readouterr().out
    assert out.count(" - ") >= 3 and "\naccuracy, %" in out and "\nno views, %" in out and "\ntta, s" in out


def test_many_runs_as_json(capsys):
    assert run([*TRAIN, "--runs", "2", "--target", "99", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == keys_in_docs("What `train --runs --json` prints")
    assert (document["status"], document["wanted"], document["summary"]["runs"]) == ("finished", 2, 2)
    assert document["summary"]["reached"]["count"] == 0 and document["summary"]["target"] == 0.99
    assert {one["id"] for one in document["runs"]} | {document["id"]} == {p.name for p in Path("runs").iterdir()}


def test_runs_that_diverge(capsys):
    assert run([*TRAIN, "--runs", "2", "--target", "50", "--set", DIVERGES]) == 1
    out, _ = capsys.readouterr()
    assert out.count("diverged") == 3 and "valid acc: mean" not in out
    assert "reached 50 %: 0 of 2 runs, 0.0 %" in out
    assert "2 of 2 runs diverged and did not reach the target (seed 0, 1); they are in no mean" in out


@pytest.mark.parametrize(
    ("error", "code", "status"), [(KeyboardInterrupt(), 130, "interrupted"), (TrainError("full"), 1, "failed")]
)
def test_what_ended_before_is_summed_up(capsys, monkeypatch, error, code, status):
    interrupt_in_run(3, monkeypatch, error)
    assert run([*TRAIN, "--runs", "9"]) == code
    out, err = capsys.readouterr()
    assert "2 of 9 runs ended\nvalid acc: mean" in out and "2 runs" in out
    (group,) = Path("runs").glob("*-runs-*")
    assert err.splitlines()[-2] == f"go on with: fastcifar train --resume {group}"
    assert err.splitlines()[-1] == ("fastcifar: interrupted" if code == 130 else "fastcifar: full")
    interrupt_in_run(2, monkeypatch, error)
    assert run([*TRAIN, "--runs", "9", "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    assert document["status"] == status and [one["status"] for one in document["runs"]] == ["finished", status]
    assert document["summary"]["accuracy"]["n"] == 1 and document["summary"]["accuracy"]["sd"] is None


def test_compare(capsys):
    assert run([*COMPARE, "--runs", "3", "--set-b", "flip=none", "cutout=0", "--delta", "0.5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "A: resnet9-tiny; B: resnet9-tiny with cutout=0, flip=none"
    assert lines[1] == (
        "both with train_images=64, total_epoch=1, batch_size=32, prep=2, layer1=2, layer2=2, layer3=2, precision=O0"
    )
    assert lines[2].startswith("on synthetic: train 64 images, valid = test, 200 images; seeds 0 to 2; on ")
    lines = lines[1:]
    assert [line.split()[1:3] for line in lines[4:10]] == [
        ["A", "0"], ["B", "0"], ["B", "1"], ["A", "1"], ["A", "2"], ["B", "2"]
    ]  # fmt: skip
    assert lines[11].split() == ["A", "B", "B", "-", "A", "95", "%", "interval", "bootstrap", "p"]
    assert [line.split(",")[0] for line in lines[12:17]] == ["accuracy", "prepare", "train", "evaluate", "counted"]
    assert lines[17].startswith("B / A: prepare ")
    assert re.match(r"3 pairs detect .* points in 80 of 100 cases; 0.5 points need [\d,]+ pairs$", lines[18])
    assert lines[19] == "few numbers: if their noise is skewed, a 95 % interval holds in 82 to 88 of 100 cases"
    assert lines[20].startswith("verdict: ") and "SYNTHETIC" in lines[-1]


def test_a_recipe_and_itself_as_json(capsys):
    assert run([*COMPARE, "--null", "--runs", "5", "--json", "--seed", "3"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == keys_in_docs("What `compare --json` prints")
    assert document["outcome"] == "identical" and document["pairs"] == [3, 4, 5, 6, 7]
    assert document["accuracy"]["difference"]["p_value"] == 1
    assert document["a"]["summary"]["runs"] == 5 and document["a"]["recipe"] == document["b"]["recipe"]
    ids = {one["id"] for which in "ab" for one in document[which]["runs"]}
    assert ids | {document["id"]} == {path.name for path in Path("runs").iterdir()} and document["advice"] == []
    low, high = (document["seconds"]["train"]["bootstrap"][side] for side in ("low", "high"))
    assert low < high


def test_two_recipes_of_which_one_is_a_file(capsys):
    Path("mine.json").write_text('{"dataset": "synthetic"}')
    assert run([*COMPARE[:2], "mine.json", *COMPARE[2:], "--runs", "3", "--set-b", DIVERGES]) == 1
    out, _ = capsys.readouterr()
    assert "; B: mine with peak_lr=1e+20" in out
    assert "verdict: B diverged in 3 of 3 runs; too few for a verdict: 0 pairs finished, 3 are needed" in out


def test_a_comparison_that_is_interrupted(capsys, monkeypatch):
    interrupt_in_run(8, monkeypatch)
    assert run([*COMPARE, "--null", "--runs", "9"]) == 130
    out, err = capsys.readouterr()
    assert "\n3 of 9 pairs finished\n" in out and "in each of 3 pairs" in out and "fastcifar: interrupted" in err
    (group,) = Path("runs").glob("*-compare-*")
    assert f"go on with: fastcifar compare --resume {group}\n" in err
    assert run(["train", "--resume", group.name]) == 2
    assert f"fastcifar compare --resume {group} resumes this one" in capsys.readouterr().err
    assert run(["compare", "--resume", group.name, "--runs", "3"]) == 2
    assert "--runs: 4 have begun, so 3 are too few" in capsys.readouterr().err
    assert run(["compare", "--resume", group.name, "--runs", "4", "--delta", "0.5", "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["pairs"] == [0, 1, 2, 3] and document["wanted"] == 4 and document["delta"] == 0.005
    assert (
        document["id"] == group.name and document["mixed"] == {} and err.startswith("about ") and ": 1 run of " in err
    )
    interrupt_in_run(1, monkeypatch)
    assert run([*COMPARE, "--null", "--runs", "9", "--json"]) == 130
    document = json.loads(capsys.readouterr().out)
    assert (document["status"], document["outcome"], document["b"]["runs"]) == ("interrupted", "too_few", [])
    assert document["accuracy"] is None and document["a"]["runs"][0]["status"] == "interrupted"


def test_a_series_that_goes_on(capsys, monkeypatch):
    interrupt_in_run(3, monkeypatch)
    assert run([*TRAIN, "--runs", "4"]) == 130
    before = capsys.readouterr().out.splitlines()
    (group,) = Path("runs").glob("*-runs-*")
    record = next(path for path in Path("runs").glob("*/run.json") if json.loads(path.read_text())["seed"] == 0)
    document = json.loads(record.read_text())
    record.write_text(json.dumps({**document, "threads": 7}))  # as on another machine
    assert run(["train", "--resume", group.name, "--runs", "3", "--target", "50"]) == 0
    out, err = capsys.readouterr()
    differs = f"not all runs were made alike: threads 7 and {document['threads']}"
    assert err.splitlines()[0] == differs and differs in out.splitlines()
    assert "seeds 0 to 2" in out and out.splitlines()[1] == before[1]
    assert out.splitlines()[3:5] == before[3:5]  # from disk
    assert "reached 50 %: " in out and "of 3 runs" in out and len(list(Path("runs").iterdir())) == 4
    assert run(["train", "--resume", group.name, "--runs", "4"]) == 0
    assert "asked for 3, and for 4 after these had ended" in capsys.readouterr().out
    one = next(path.parent.name for path in Path("runs").glob("*/run.json"))
    assert run(["compare", "--resume", one]) == 2 and "is one run" in capsys.readouterr().err
    assert run(["train", "--resume", one, "--runs", "4"]) == 2 and "leave runs out" in capsys.readouterr().err


def test_runs_that_are_there(capsys):
    assert run([*COMPARE, "--runs", "3", "--set-b", "flip=none", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    of, with_ = ([one["id"] for one in made[which]["runs"]] for which in "ab")
    assert run(["compare", "--of", *of, "--with", *with_, "--delta", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == set(made) and found["id"] is None and found["pairs"] == [0, 1, 2]
    assert (found["accuracy"], found["seconds"]) == (made["accuracy"], made["seconds"])
    assert run(["compare", "--of", *of, with_[0], "--with", *with_]) == 2
    assert "--of: " in (err := capsys.readouterr().err) and "of different recipes (flip random and none)" in err
    assert run(["compare", "--of", *of, "--with", *of]) == 2 and "is of A, too" in capsys.readouterr().err
    assert run(["compare", "--of", made["id"], "--with", *of]) == 2 and "is a comparison" in capsys.readouterr().err
    for path in (Path("runs") / one / "run.json" for one in with_):
        document = json.loads(path.read_text())
        document["settings"]["device"] = "cuda:0"
        path.write_text(json.dumps(document | {"seed": document["seed"] + 1}))
    assert run(["compare", "--of", *of, "--with", *with_]) == 0
    out = capsys.readouterr().out
    assert out.startswith("A: resnet9-tiny; B: resnet9-tiny with flip=none\non synthetic: train 64 images, ")
    assert "\nleft out: 1 seed of A alone (0) and 1 seed of B alone (3)\n" in out
    assert "\ntimes are not compared: the runs were made on cpu and cuda\n" in out
    assert "verdict: too few for a verdict: 2 pairs finished, 3 are needed\nwhat would help:\n- more pairs: " in out
    document["split"] = "holdout"
    path.write_text(json.dumps(document))
    assert run(["compare", "--of", *of, "--with", *with_]) == 2 and "split: " in capsys.readouterr().err


def test_a_setting_for_one_of_both_is_no_mistake(capsys):
    arguments = [*COMPARE, "--set", "tta_share=0.5", "--set-b", "tta=six-unsure", "--runs", "3"]
    assert run(arguments) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([*TRAIN, "--runs", "1"], 2, "--runs: at least 2 are needed for a standard deviation, not 1"),
        ([*TRAIN, "--runs", "-3"], 2, "not -3"),
        ([*TRAIN, "--target", "94"], 2, "--target: one run has no share"),
        ([*TRAIN, "--runs", "3", "--target", "0.94"], 2, "--target: an accuracy in percent is needed, such as 94, not"),
        ([*TRAIN, "--runs", "3", "--target", "101"], 2, "not 101"),
        (["train", "--resume", "nothing", "--runs", "3"], 1, "there is no nothing"),
        (["train", "--resume", "nothing", "--runs", "3", "--seed", "1"], 2, "leave seed out"),
        (["compare", "--resume", "nothing"], 1, "there is no nothing"),
        (["compare", "--resume", "nothing", "--runs", "2"], 2, "at least 3 runs of each recipe, not 2"),
        (["compare", "resnet9", "--resume", "nothing"], 2, "leave a out"),
        (["compare"], 2, "A: a recipe is needed"),
        (["compare", "--of", "nothing"], 2, "--of and --with: both are needed"),
        (["compare", "--of", "nothing", "--with", "nothing"], 1, "there is no nothing"),
        (["compare", "--of", "nothing", "--with", "nothing", "--runs", "3"], 2, "nothing is trained; leave runs out"),
        ([*COMPARE, "--init", "nothing"], 1, "there is no nothing"),
        ([*COMPARE, "--null", "--checkpoint-every", "0"], 2, "checkpoint_every"),
        ([*COMPARE, "--runs", "2"], 2, "a comparison needs at least 3 runs of each recipe, not 2"),
        ([*COMPARE, "--delta", "0"], 2, "delta: a difference of accuracy is more than 0"),
        ([*COMPARE, "--set-b", "dataset=cifar100"], 2, "A is for synthetic, B for cifar100; --dataset"),
        ([*COMPARE, "--set-b", "peak_l=1"], 2, "did you mean peak_lr"),
        ([*COMPARE, "--set-b", "flip"], 2, "--set-b: KEY=VALUE is needed, not 'flip'"),
        ([*COMPARE, "--set-b", "whiten_epochs=5"], 2, "whiten_epochs: it does nothing without whitening"),
        ([*COMPARE, "--set", "tta_share=0.5"], 2, "tta_share: it does nothing where tta is none"),
        ([*COMPARE, "--set-b", "batch_size=65"], 2, "batch_size: 65 is more than the 64"),
        (["compare", "resnet9-tiny", "resnet9-tin"], 2, "did you mean resnet9-tiny"),
        ([*COMPARE], 2, "A and B are the same recipe; --set-b changes B"),
        ([*COMPARE, "--null", "--set-b", "flip=none"], 2, "--null: it compares a recipe with itself"),
        ([*COMPARE, "--null", "--out", "/proc/nowhere"], 1, "cannot write to the output folder"),
    ],
)
def test_what_is_asked_wrongly_gets_one_message(arguments, code, words, capsys):
    assert run(arguments) == code
    out, err = capsys.readouterr()
    assert words in err and err.splitlines()[-1].startswith("fastcifar: ") and not out
    assert not Path("runs").exists()
