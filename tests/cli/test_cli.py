"""The command as a user meets it: output, messages, exit codes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from few_images import few_synthetic

from fastcifar.cli import run
from fastcifar.data import load
from fastcifar.net import load_kernels
from fastcifar.train import format_header

QUICK = ["train_images=64", "batch_size=32", "prep=2", "layer1=2", "layer2=2", "layer3=2"]
TRAIN = ["train", "resnet9-tiny", "--dataset", "synthetic", "--device", "cpu", "--epochs", "2", "--set", *QUICK]
NO_NETWORK = {"FASTCIFAR_MIRROR": "http://127.0.0.1:9/"}  # a port that refuses


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """No data, no network, and a folder of its own."""
    kernels = Path(load_kernels()._name)  # compiled once for all
    cache = tmp_path / "cache" / "fastcifar"
    cache.mkdir(parents=True)
    (cache / kernels.name).symlink_to(kernels)
    for name, value in {**NO_NETWORK, "XDG_CACHE_HOME": str(cache.parent)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FASTCIFAR_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def command(*arguments, code="import fastcifar.cli; fastcifar.cli.main()", **settings):
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
        **settings,
    )


@pytest.fixture(scope="module", autouse=True)
def few_images_made_once(tmp_path_factory):
    """The commands of this file share them."""
    module = sys.modules["fastcifar.data"]
    with few_synthetic(tmp_path_factory.mktemp("few")):
        original, dataset = load, load("synthetic")
        module.load = lambda name, *rest: dataset if name == "synthetic" else original(name, *rest)
        yield
        module.load = original


def test_train_prints_banner_table_and_closing_line(capsys):
    assert run(TRAIN) == 0
    out, err = capsys.readouterr()
    banner, notice, header, first, second, closing, work, notice_again, accuracy = out.splitlines()
    fields = "train_images=64, total_epoch=2, batch_size=32, prep=2, layer1=2, layer2=2, layer3=2"
    assert banner.startswith(f"resnet9-tiny with {fields} on synthetic: train 64 images, valid = test, 200 images; ")
    assert f"{float(second.split()[7]):.4f}" == second.split()[7]  # a share of 1 in the table, percent in the last line
    assert notice == notice_again and "SYNTHETIC" in notice
    assert header == format_header() and first.split()[0] == "1" and second.split()[:2] == ["2", "0.0000"]
    seconds = sum(float(line.split()[-1]) for line in (first, second))
    assert closing.startswith("Finished Train/Valid in ") and abs(float(closing.split()[3]) - seconds) < 0.02
    folder = Path(err.split("record: ")[1].strip())
    assert folder.parent == Path("runs") and (folder / "run.json").exists()
    record = json.loads((folder / "run.json").read_text())
    assert accuracy == f"accuracy: {100 * record['epochs'][-1]['valid_acc']:.2f} % on test (200 images)"
    rate = record["flops"] / record["seconds"]["train"]
    assert work == (
        f"trained {record['flops'] / 1e15:.3g} PFLOP at {rate / 1e12:.3g} TFLOP/s, "
        f"{rate / record['product_rate']:.0%} of a matrix product's"
    )


@pytest.mark.parametrize("words", [["train"], ["train", "--runs", "3"], ["compare", "resnet9-tiny"]])
def test_a_run_to_start_from_is_looked_for_before_the_images(capsys, monkeypatch, words):
    monkeypatch.setattr(sys.modules["fastcifar.data"], "load", lambda *asked: pytest.fail("images were looked for"))
    assert run([*words, "--init", "nowhere"]) == 1
    assert capsys.readouterr().err == "fastcifar: there is no nowhere, neither here nor under runs\n"


def test_holdout_is_named_in_the_banner(capsys):
    assert run([*TRAIN, "--split", "holdout", "--json", "--epochs", "1"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["split"] == "holdout" and record["dataset"]["valid_images"] == 5000
    assert run([*TRAIN, "--split", "holdout", "--epochs", "1"]) == 0
    assert "valid = holdout, 5,000 images" in capsys.readouterr().out


def test_report_test_looks_at_the_test_images_once(capsys):
    words = [*TRAIN, "--split", "holdout", "--epochs", "1", "--report-test"]
    assert run(words) == 0
    record = json.loads(next(Path("runs").glob("*/run.json")).read_text())
    assert record["settings"]["report_test"] is True and 0 < record["test_acc"] < 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("accuracy: ") and last.endswith(f"; {100 * record['test_acc']:.2f} % on test")
    assert run([*words, "--runs", "3"]) == 2
    assert capsys.readouterr().err == "fastcifar: --report-test: it is for one run; leave --runs out\n"


def test_json_is_the_record(capsys):
    assert run([*TRAIN, "--json", "--seed", "7"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record == json.loads((Path("runs") / record["id"] / "run.json").read_text())
    assert record["seed"] == 7 and record["recipe_name"] == "resnet9-tiny" and len(record["epochs"]) == 2
    assert record["recipe"]["total_epoch"] == 2 and record["recipe"]["prep"] == 2


def test_runs_lists_them(capsys):
    run(TRAIN)
    run([*TRAIN, "--seed", "1"])
    capsys.readouterr()
    assert run(["runs", "--json", "--sort", "valid_acc"]) == 0
    runs = json.loads(capsys.readouterr().out)
    assert {row["seed"] for row in runs} == {0, 1} and all((row["epochs"], row["of"]) == (2, 2) for row in runs)
    assert [row["valid_acc"] for row in runs] == sorted(row["valid_acc"] for row in runs)
    assert run(["runs"]) == 0 and "resnet9-tiny" in capsys.readouterr().out
    assert run(["runs", "--out", "empty"]) == 0 and capsys.readouterr().out == "no runs in empty\n"


def test_graph(capsys, tmp_path):
    assert run(["graph", "resnet9-tiny"]) == 0 and "layer3/residual/add" in capsys.readouterr().out
    assert run(["graph", "resnet9-tiny", "-o", "net.dot", "--set", 'extra_layers={"prep": 1}', "res_layers=[]"]) == 0
    text = (tmp_path / "net.dot").read_text()
    assert "prep/extra/conv" in text and "residual" not in text


def test_data(capsys):
    assert run(["data", "--json"]) == 0
    assert [status["name"] for status in json.loads(capsys.readouterr().out)] == ["cifar10", "cifar100"]
    broken = Path("cifar-10-batches-py")
    broken.mkdir()
    (broken / "data_batch_1").write_bytes(b"not a pickle")
    assert run(["data", "--dataset", "cifar10", "--data-dir", ".", "--verify"]) == 1
    assert "data_batch_1" in capsys.readouterr().out


def test_no_data_and_no_network(capsys):
    assert run(["train", "--dataset", "cifar10", "--device", "cpu"]) == 1
    message = capsys.readouterr().err
    assert all(way in message for way in ("--data-dir", "FASTCIFAR_MIRROR", "--set dataset=synthetic"))
    assert not Path("runs").exists()
    assert run([*TRAIN, "--dataset", "cifar10", "--or-synthetic", "--epochs", "1"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert "on synthetic" in out[0] and "SYNTHETIC" in out[1] and "SYNTHETIC" in out[-2]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["train", "resnet9-tin"], 2, "did you mean resnet9-tiny"),
        (["train", "--set", "peak_l=1"], 2, "did you mean peak_lr"),
        (["train", "--set", "peak_lr"], 2, "KEY=VALUE"),
        (["train", "--set", "layer1=0"], 2, "layer1: a whole number at least 1"),
        ([*TRAIN, "--set", "whiten_epochs=2"], 2, "whiten_epochs: it does nothing without whitening (whiten is 0)"),
        ([*TRAIN, "--set", "muon_lr=0.1"], 2, "muon_lr: it does nothing with sgd"),
        (
            [*TRAIN, "--set", "averaging=lookahead", "tail_epochs=1"],
            2,
            "tail_epochs: it does nothing where averaging is",
        ),
        (["train", "--set", "precision=fp8"], 2, "precision: 'fp8'"),
        (["train", "--dataset", "cifar11"], 2, "did you mean cifar10"),
        (["train", "--device", "tpu"], 2, "device: 'tpu'"),
        (["train", "--step", "captured-compiled", "--data-dir", "nowhere"], 2, "did you mean compiled or captured"),
        (["train", "--device", "cuda:99"], 2, "device: 'cuda:99'"),
        ([*TRAIN, "--split", "valid"], 2, "split: 'valid'"),
        ([*TRAIN, "--set", "lr_scale.layer9=1"], 2, "layer9"),
        ([*TRAIN, "--set", 'leave_out=["prep/extra"]'], 2, "prep/extra"),
        ([*TRAIN, "--set", "lr_instead=[0.1]"], 2, "25 parameter tensors, not 1"),
        ([*TRAIN, "--set", "batch_size=65"], 2, "batch_size: 65 is more than the 64"),
        ([*TRAIN, "--set", "peak_lr=1e20", "precision=O0"], 1, "diverged"),
        (["train", "--resume", "nothing"], 1, "nothing"),
        (["train", "resnet9", "--resume", "nothing"], 2, "leave recipe out"),
        (["train", "--resume", "nothing", "--seed", "9"], 2, "leave seed out"),
        ([*TRAIN, "--out", "/proc/nowhere"], 1, "cannot write to the output folder"),
        ([*TRAIN, "--checkpoint-every", "0"], 2, "checkpoint_every"),
        (["train", "--device", "cpu:"], 2, "'cpu:'"),
        ([*TRAIN, "--set", "prep=1e30"], 2, "prep"),
        (["train", "--set", f"total_epoch={'9' * 400}"], 2, "total_epoch"),
        (["graph", "-o", "nowhere/net.dot"], 1, "nowhere"),
        (["runs", "--sort", "speed"], 2, "no column 'speed'"),
        (["graph", "-o", "net.gif"], 2, ".dot"),
        (["data", "--dataset", "mnist"], 2, "mnist"),
    ],
)
def test_what_is_asked_wrongly_gets_one_message(arguments, code, words, capsys):
    assert run(arguments) == code
    err = capsys.readouterr().err
    assert words in err and "Traceback" not in err
    assert err.splitlines()[-1].startswith("fastcifar: ")
    assert code == 1 or not Path("runs").exists()  # bad usage leaves nothing behind


def test_debug_shows_the_traceback():
    with pytest.raises(ValueError, match="resnet9-tin"):
        run(["train", "resnet9-tin", "--debug"])


def test_help_imports_no_room():
    code = """
import sys
from fastcifar.cli import run
try:
    run(["train", "--help"])
except SystemExit:
    pass
slow = {"torch", "numpy", "pandas", "fastcifar.train", "fastcifar.data", "fastcifar.net"} & set(sys.modules)
sys.exit(f"imported {slow}" if slow else 0)
"""
    process = command(code=code)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert "--epochs" in out


@pytest.mark.parametrize("how", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_interrupted_run_keeps_its_epochs(how, capsys):
    process = command(*TRAIN, "--epochs", "100000")
    for _ in range(4):  # banner, notice, header, first epoch
        assert process.stdout.readline()
    process.send_signal(how)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 130 and "Traceback" not in err
    assert err.splitlines()[-1] == "fastcifar: interrupted" and "--resume" in err
    (folder,) = Path("runs").iterdir()
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "interrupted" and len(record["epochs"]) >= 1
    rows = (folder / "epochs.csv").read_text().splitlines()
    assert len(rows) - 1 == len(record["epochs"]) >= len(out.splitlines()) + 1  # what was printed is on disk


def test_interrupted_before_the_first_epochs_end(capsys, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["fastcifar.train.session"], "evaluate", interrupt)
    assert run(TRAIN) == 130
    err = capsys.readouterr().err
    assert err == (
        "interrupted before the first epoch's end; start again with the same command\nfastcifar: interrupted\n"
    )


def test_resume_by_id_prints_the_whole_table(capsys):
    process = command(*TRAIN, "--epochs", "6", "--checkpoint-every", "1")
    for _ in range(4):  # banner, notice, header, first epoch
        process.stdout.readline()
    process.kill()
    process.communicate()
    (folder,) = Path("runs").iterdir()
    assert run(["runs"]) == 0 and "killed" in capsys.readouterr().out
    assert run(["train", "--resume", folder.name]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[3:9]] == [str(epoch) for epoch in range(1, 7)]
    assert run(["train", "--resume", folder.name]) == 1 and "has ended" in capsys.readouterr().err


def test_output_that_cannot_be_written():
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "fastcifar", "spaces"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert process.returncode == 1 and "Traceback" not in process.stderr
    assert process.stderr.startswith("fastcifar: ") and "No space left" in process.stderr


def test_output_that_nobody_reads():
    process = command(*TRAIN)
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(timeout=60) == 1 and "Traceback" not in err
