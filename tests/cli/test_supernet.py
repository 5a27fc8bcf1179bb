"""`fastcifar supernet` as a user meets it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from few_images import few_synthetic

from fastcifar.cli import run
from fastcifar.cli.parsing.flags import parse_settings
from fastcifar.experiment.objectives.training.sizes import flops
from fastcifar.experiment.store.store import Store
from fastcifar.search import Space
from fastcifar.supernet import Choices
from fastcifar.train import named_recipe

SPACE = {
    "prep": {"_type": "choice", "_value": [2, 4]},
    "layer1": {"_type": "choice", "_value": [2, 4]},
    "layer2": {"_type": "choice", "_value": [4, 8]},
    "extra_layers.layer3": {"_type": "randint", "_value": [0, 2]},
}
SMALL = "--set dataset=synthetic prep=2 layer1=2 layer2=4 layer3=4 batch_size=32 train_images=64 total_epoch=2"
TRAIN = f"train --space space.json {SMALL} --device cpu"
SEARCH = f"search --space space.json {SMALL} --device cpu --trainings 6 --confirm 1x1"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "space.json").write_text(json.dumps(SPACE))
    (tmp_path / "idle.json").write_text('{"extra_widths.prep/extra": {"_type": "choice", "_value": [2, 4]}}')
    (tmp_path / "lr.json").write_text('{"peak_lr": {"_type": "uniform", "_value": [0.1, 1]}}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with few_synthetic(tmp_path):
        yield tmp_path


def supernet(words):
    return run(["supernet", *words.split()])


@pytest.mark.slow  # from the training of a supernet to a network of its own
def test_train_rank_and_export(capsys, monkeypatch):
    assert supernet(TRAIN) == 0
    out, err = capsys.readouterr()
    assert out.startswith("16 networks in one, fair; synthetic: train 64 images")
    assert "SYNTHETIC IMAGES" in out and len(out.splitlines()) == 5
    path = Path(err.split("supernet: ")[1].strip())
    assert {"supernet.json", "epochs.csv", "checkpoint.safetensors"} <= {file.name for file in path.iterdir()}

    assert supernet(f"rank {path.name} --images 100") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["loss", "accuracy", "%"] and len(lines) == 1 + 16 + 1
    assert lines[-1] == f"all 16 networks: {path}/networks.csv"
    table = pd.read_csv(path / "networks.csv")
    assert len(table) == 16 and list(table)[:4] == list(SPACE)
    most = int(table["flops"].median())
    assert supernet(f"rank {path} --images 100 --json --max-flops {most}") == 0
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert err.splitlines()[-1] == f"all {len(rows)} networks: {path}/networks.csv (replaced)"
    assert len(rows) == (table["flops"] <= most).sum() and max(row["flops"] for row in rows) <= most

    assert supernet(f"export {path} --network prep=3") == 2
    assert "prep: 3 is none of its values: 2, 4" in capsys.readouterr().err
    assert supernet(f"export {path} --network prep=2 layer1=2 --to net") == 0
    out, err = capsys.readouterr()
    assert "net/weights.safetensors" in out and f"wrote {len(out.splitlines())} files in net" in err
    (weights := Path("net/weights.safetensors")).write_text("mine")
    assert supernet(f"export {path} --network prep=2 layer1=2 --to net") == 1
    err = capsys.readouterr().err
    assert "net/weights.safetensors" in err and "there already; --force replaces them" in err
    assert weights.read_text() == "mine"
    monkeypatch.setattr("fastcifar.supernet.exporting.ONNX", ("not-installed",))  # it takes seconds, and was written
    assert supernet(f"export {path} --network prep=2 layer1=2 --to net --force") == 0
    assert "replaced " in capsys.readouterr().err
    assert run(["train", "net/recipe.json", "--init", "net", "--epochs", "1", "--device", "cpu"]) == 0
    capsys.readouterr()
    asked = ["search", "--space", "space.json", "--trials", "3", "--concurrency", "1", "--json", "--supernet"]
    assert run([*asked, path.name]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["maximize"] is False and document["best_value"] < 5
    asked += [str(path), "--max-flops"]
    assert run([*asked, str(most)]) == 0
    best = json.loads(capsys.readouterr().out)["best"]
    assert any(best.items() <= row.items() for row in rows)
    for few in ("5", "0"):
        assert run([*asked, few]) == 2 and "was found within --max-flops" in capsys.readouterr().err
    assert run(["search", "--space", "lr.json", "--supernet", str(path), "--trials", "3"]) == 2
    assert "is a supernet of another space, over prep, layer1" in capsys.readouterr().err


def test_rank_says_what_was_varied(capsys):
    assert supernet(f"{TRAIN} --vary width") == 0
    path = capsys.readouterr().err.split("supernet: ")[1].strip()
    assert supernet(f"rank {path} --images 100 --sample 2") == 0
    assert "note: only width varied while this supernet was trained" in capsys.readouterr().err


@pytest.mark.slow  # a whole search
def test_search(capsys):
    assert supernet(f"{SEARCH} --concurrency 1") == 0
    out, err = capsys.readouterr()
    assert "measuring what a training costs here" in err and "6 trainings alone of about" in err
    assert "confirmation at full budget: 1 training of about" in err and " in all; --max-flops" in err
    for name in ("FLOPs", "parameters", "sum of log-widths", "supernet", "regression", "regression with the supernet"):
        assert any(line.startswith(name + " ") for line in out.splitlines())
    assert "the supernet adds" in out and "best for its FLOPs, as predicted" in out
    assert "the chosen point is not shown to be better than resnet9-tiny: 1 pair finished, 3 are needed" in out
    assert (out + err).count("SYNTHETIC") + (out + err).count("canonical: false") == 1
    (path,) = Path("runs").iterdir()
    assert {"best.json", "network.dot", "networks.csv", "experiment.db"} <= {file.name for file in path.iterdir()}
    assert set(pd.read_csv(path / "networks.csv")) >= {*SPACE, "predicted", "low", "high", "loss", "flops"}
    store = Store.read(path)
    document, kinds = store.meta()["summary"], [row.kind for row in store.trials()]
    store.close()
    assert kinds == ["search"] * 6 + ["confirm", "default"]
    assert len(document["supernet"]["predictors"]) == 6 and document["best"].keys() == SPACE.keys()

    assert supernet(f"search --resume {path.name} --json") == 0  # nothing is left to do, and it says the same
    again = json.loads(capsys.readouterr().out)
    assert again["supernet"] == document["supernet"] and again["best"] == document["best"]
    assert run(["search", "--resume", path.name]) == 2
    assert "fastcifar supernet search --resume" in capsys.readouterr().err


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on_within_its_limits(folder, capsys):
    """While the supernet is trained, and while networks are trained alone."""
    settings = parse_settings([SMALL.split()[1:]])
    choices = Choices(named_recipe("resnet9-tiny").with_params(settings), Space.from_dict(SPACE))
    most = sorted(flops(choices.of(point)) for point in choices.points())[9]
    command = [sys.executable, "-m", "fastcifar", "supernet", *SEARCH.split(), "--max-flops", str(most)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    for wanted in ("runs/*/*/checkpoint.safetensors", "runs/*/trials/1"):
        deadline = time.monotonic() + 120
        while not list(folder.glob(wanted)) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        (path,) = Path("runs").iterdir()
        command = [sys.executable, "-m", "fastcifar", "supernet", "search", "--resume", path.name]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.wait(180) == 0, process.stderr.read()
    store = Store.read(path)
    rows = list(store.trials())
    store.close()
    assert [row.kind for row in rows] == ["search"] * 6 + ["confirm", "default"]
    assert all(row.state == "finished" for row in rows)
    assert len(list(path.glob("*/supernet.json"))) == 1
    assert all(flops(choices.of(row.params)) <= most for row in rows if row.kind != "default")
    table = pd.read_csv(path / "networks.csv")
    assert len(table) >= 10 and table["flops"].max() <= most


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train", "--space: a search space is needed, e.g. --space channels; `fastcifar spaces` lists them"),
        ("train --space nowhere.json", "the search space nowhere.json cannot be read"),
        (f"{TRAIN} --space idle.json", "idle.json: extra_widths.prep/extra does nothing without that block"),
        (f"{SEARCH} --space idle.json", "idle.json: extra_widths.prep/extra does nothing without that block"),
        (f"{TRAIN} --set muon_lr=0.5", "muon_lr: it does nothing with sgd (optimizer)"),
        ("train --space lr.json", "peak_lr: networks that share weights differ in prep"),
        (f"{TRAIN} --method sandwitch", "--method: 'sandwitch' is not known"),
        (f"{TRAIN} --vary dept", "--vary: 'dept' is no choice"),
        (f"{TRAIN} --method sandwich --rates sqrt", "--rates: sandwich trains every weight at every step"),
        (f"{TRAIN} --init nowhere", "there is no nowhere, neither here nor under runs"),
        ("train --resume x --space space.json", "--resume: a supernet goes on with its own settings; leave space out"),
        ("train --resume nowhere", "there is no nowhere, neither here"),
        ("rank .", ". is no supernet: supernet.json cannot be read"),
        ("rank nowhere", "there is no nowhere, neither here"),
        (f"{SEARCH} --trainings 5", "--trainings: at least 6 are needed for the fit, not 5"),
        (f"{SEARCH} --confirm 0x3", "--confirm: at least one network and one seed are needed"),
        (f"{SEARCH} --max-params 5", "no network of the space is within the limits; the smallest have"),
        (f"{SEARCH} --trainings 17", "16 networks of the space within the limits, where 17 are needed"),
        (f"{SEARCH} --set lr_scale.layer3/extra=2", "a search trains networks by themselves, here prep=4"),
        (f"{TRAIN} --seed -1", "--seed: a whole number at least 0 is needed"),
        ("search --resume nowhere", "there is no experiment 'nowhere'"),
    ],
)
def test_mistakes_are_named_before_anything_is_made(folder, capsys, words, message):
    assert supernet(words) in (1, 2)
    assert message in capsys.readouterr().err
    assert not (folder / "runs").exists()
