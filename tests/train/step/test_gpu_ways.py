"""A whole run on a CPU by what a GPU does instead, beside the usual one."""

import dataclasses

import pytest
import torch

from fastcifar.data.augment import places, resize_folded, squares
from fastcifar.data.epoch import Epoch
from fastcifar.train import named_recipe, train
from fastcifar.train.images import evaluation_batch
from fastcifar.train.optim.muon_batched import BatchedMuon
from fastcifar.train.optim.sgd import FlatSGD
from fastcifar.train.session import Session

SMALL = {"dataset": "synthetic", "layer1": 8, "layer2": 8, "layer3": 8, "batch_size": 32, "train_images": 128}
RECIPE = named_recipe("speedrun94").with_params(
    {**SMALL, "total_epoch": 3, "sizes": {"24": 1}, "cutout": 8, "contrast": 0.1, "precision": "O0", "whiten_epochs": 2}
    | {"averaging": "lookahead", "average_every": 2, "peak_lr": 0.01, "muon_lr": 0.02, "tta": "six-unsure"}
)


@pytest.fixture
def ways_of_a_gpu(monkeypatch):
    monkeypatch.setattr("fastcifar.train.build.SGD", FlatSGD)
    monkeypatch.setattr("fastcifar.train.build.Muon", BatchedMuon)
    monkeypatch.setattr("fastcifar.data.batches.resize", resize_folded)
    draw, prepare, warmed = Epoch.draw, Session.prepare, []

    def at_once(*arguments):
        plain = draw(*arguments)
        plan = plain.plan
        both = {"places": places(plan.order, plan.shift, plan.flip), "square": squares(plan.cutout, plain.cutout)}
        return dataclasses.replace(plain, **both)

    def warm_up_first(session, state):
        session.warm_up_images(state, {24, 32})
        warmed.append(state)
        return prepare(session, state)

    monkeypatch.setattr(Epoch, "draw", at_once)
    monkeypatch.setattr(Session, "prepare", warm_up_first)
    return warmed


def test_a_run_by_what_a_gpu_does_is_the_usual_one(images, request):
    usual = train(RECIPE, images, device="cpu", step="eager")
    warmed = request.getfixturevalue("ways_of_a_gpu")
    other = train(RECIPE, images, device="cpu", step="eager")
    assert len(warmed) == 1 and isinstance(warmed[0].optimizer.optimizers[0], BatchedMuon)
    for mine, twin in zip(other.epochs, usual.epochs, strict=True):
        assert mine.train_loss == pytest.approx(twin.train_loss, rel=1e-4)
        assert mine.valid_loss == pytest.approx(twin.valid_loss, rel=1e-3)
    assert other.tta_acc == pytest.approx(usual.tta_acc, abs=0.011)  # two of 200 images


def test_images_of_an_evaluation():
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert [evaluation_batch(number, cpu) for number in (10_000, 5000)] == [512, 512]
    assert [evaluation_batch(number, gpu) for number in (10_000, 5000, 200)] == [2000, 1250, 200]
