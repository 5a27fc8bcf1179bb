"""What a run leaves in its folder."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fastcifar.data import Batches, statistics
from fastcifar.net import Network, convert, resnet9
from fastcifar.train import Hooks, Recipe, RecordError, load_result, train
from fastcifar.train.record.record import RunFolder
from fastcifar.train.step.loop import State, evaluate
from fastcifar.train.step.precision import resolve_precision


def test_the_record(recipe, images, tmp_path):
    announced = []

    def on_epoch(row):  # the row is on disk before it is announced
        csv = next(tmp_path.glob("*/epochs.csv")).read_text().splitlines()
        announced.append((row.epoch, len(csv) - 1, float(csv[-1].split(",")[7]) == row.valid_acc))

    result = train(recipe, images, seed=4, device="cpu", out=tmp_path, name="mine", hooks=Hooks(on_epoch=on_epoch))
    assert announced == [(1, 1, True), (2, 2, True), (3, 3, True)]
    folder = tmp_path / result.id
    assert {path.name for path in folder.iterdir()} >= {"run.json", "epochs.csv", "weights.safetensors", "network.dot"}
    assert not (folder / "checkpoint.safetensors").exists()  # there is nothing left to resume
    record = json.loads((folder / "run.json").read_text())
    assert record == result.to_dict() == load_result(folder).to_dict()
    assert Recipe.from_dict(record["recipe"]) == recipe and record["seed"] == 4 and record["status"] == "finished"
    assert record["dataset"]["fingerprint"] == images.fingerprint and record["dataset"]["canonical"] is False
    assert record["versions"]["torch"] == torch.__version__ and record["threads"] == 1 and record["code"]
    seconds = record["seconds"]
    assert seconds["train"] == pytest.approx(sum(row.train_time for row in result.epochs))
    assert seconds["wall"] > seconds["train"] + seconds["evaluate"] + seconds["prepare"] > 0


@pytest.mark.parametrize("name", ["half", "O0", "O1", "O2", "O3"])
def test_weights_in_a_fresh_network_give_the_same_accuracy(short, images, tmp_path, name):
    result = train(short.with_params({"precision": name}), images, device="cpu", out=tmp_path)
    precision = resolve_precision(name, torch.device("cpu"))
    network = Network(resnet9(short.channels)).to(memory_format=torch.channels_last)
    convert(network, precision.weights, precision.batch_norm)
    network.load_state_dict(load_file(f"{result.path}/weights.safetensors"))
    state = State(
        network=network,
        weights=[],
        forward=lambda x: network({"input": x})["logits"],
        optimizer=None,
        precision=precision,
        scaler=None,
    )
    mean, std = statistics(images)
    batches = Batches(images.test, batch_size=512, mean=mean, std=std, dtype=precision.images)
    loss, accuracy = evaluate(state, batches.epoch())
    assert accuracy == result.valid_acc and loss == result.epochs[-1].valid_loss


def test_a_disk_that_fills_up_keeps_what_was_announced(short, images, tmp_path, monkeypatch):
    announced = []

    def fill(folder, rows):
        if len(rows) == 3:
            raise RecordError("cannot write: No space left on device")
        return original(folder, rows)

    original = RunFolder.write_epochs
    monkeypatch.setattr(RunFolder, "write_epochs", fill)
    hooks = Hooks(on_epoch=lambda row: announced.append(row.epoch))
    with pytest.raises(RecordError, match="No space left"):
        train(short, images, device="cpu", out=tmp_path, hooks=hooks)
    (folder,) = tmp_path.iterdir()
    result = load_result(folder)
    assert announced == [row.epoch for row in result.epochs] == [1, 2] and result.status == "failed"
    assert len(json.loads((folder / "run.json").read_text())["epochs"]) == 2


def test_output_folder_is_checked_first(recipe, images, tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(RecordError, match="cannot write to the output folder"):
        train(recipe, images, device="cpu", out=blocked / "runs")
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(RecordError, match=r"0.0 MB free, the run needs"):
        train(recipe, images, device="cpu", out=tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def test_the_docs_name_every_key_of_the_record(short, images):
    text = (Path(__file__).parents[3] / "docs" / "record.md").read_text()
    table = text.split("| key | meaning |")[1]
    named = {
        key
        for line in table.splitlines()
        if line.startswith("| `")
        for key in re.findall("`(.*?)`", line.split("|")[1])
    }
    assert named == set(train(short.with_params({"total_epoch": 1}), images, device="cpu").to_dict())
