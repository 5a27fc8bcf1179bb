"""Each evaluator of ours keeps the contract; each way to break it is found, by the sentence that names the rule."""

import random
import threading
from dataclasses import replace

import pytest
from coloured import coloured
from supernets import HELD_OUT, RECIPE, images, plan

from fastcifar.data import split
from fastcifar.experiment.objectives.base import FunctionEvaluator, TrialStopped
from fastcifar.experiment.objectives.training import evaluator as training
from fastcifar.experiment.objectives.training.evaluator import TrainEvaluator
from fastcifar.supernet import train_supernet
from fastcifar.supernet.predict import evaluate
from fastcifar.supernet.predict.evaluate import SupernetEvaluator
from fastcifar.testing import BrokenContract, check_evaluator
from fastcifar.testing.play import PLAY

ACTS = [{"acts": [["report", 1.0], ["report", 2.0], ["return", 3.0]]}, {"acts": [["return", 4]]}]


def test_a_function_keeps_the_contract():
    check_evaluator(lambda: FunctionEvaluator(PLAY), ACTS, failing=[{"acts": [["raise", "spoilt milk"]]}])
    check_evaluator(lambda: FunctionEvaluator(PLAY, metric="seed"), ACTS)


def test_a_training_keeps_the_contract(monkeypatch):
    monkeypatch.setattr(split, "HOLDOUT_SIZE", HELD_OUT)
    monkeypatch.setattr(training, "_dataset", lambda name, data_dir: coloured(HELD_OUT + 200, 100))
    recipe = replace(RECIPE, train_images=96)
    check_evaluator(
        lambda: TrainEvaluator(recipe=recipe, device="cpu"), [{"layer3": 4}], failing=[{"peak_lr": 1e30}, {"layer": 4}]
    )


def test_a_part_of_a_supernet_keeps_the_contract(monkeypatch, tmp_path):
    monkeypatch.setattr(split, "HOLDOUT_SIZE", HELD_OUT)
    dataset = images()
    monkeypatch.setattr(evaluate, "load", lambda name, data_dir: dataset)
    train_supernet(plan(), dataset, device="cpu", out=tmp_path)
    (folder,) = tmp_path.iterdir()
    point = {"prep": 4, "layer1": 8, "layer2": 4, "layer3": 8}
    check_evaluator(lambda: SupernetEvaluator(folder=folder), [point], failing=[{**point, "prep": 5}])


class Kept:
    """An evaluator that keeps the contract: the base of those that break one rule."""

    def __call__(self, params, seed, report, confirm):
        for step in range(3):
            report(params["x"] + step)
        if params["x"] < 0:
            raise ValueError("x is below 0")
        return {"default": params["x"] + seed, "other": "text"}


class Unpicklable(Kept):
    def __init__(self):
        self.lock = threading.Lock()


class Text(Kept):
    def __call__(self, *arguments):
        return str(super().__call__(*arguments)["default"])


class NoDefault(Kept):
    def __call__(self, *arguments):
        return {"loss": super().__call__(*arguments)["default"]}


class ReportsNan(Kept):
    def __call__(self, params, seed, report, confirm):
        report(float("nan"))
        return 1.0


class ReportsText(Kept):
    def __call__(self, params, seed, report, confirm):
        report("0.5")
        return 1.0


class ReportsLate(Kept):
    def __call__(self, params, seed, report, confirm):
        threading.Timer(0.01, report, (9.0,)).start()
        return 1.0


class Draws(Kept):
    def __call__(self, *arguments):
        return super().__call__(*arguments)["default"] + random.random()


class Counts(Kept):
    """Its result depends on the trials before."""

    def __init__(self):
        self.count = 0

    def __call__(self, *arguments):
        self.count += 1
        return self.count


class NoConfirmation(Kept):
    def __call__(self, params, seed, report, confirm):
        if confirm:
            raise KeyError("full budget")
        return super().__call__(params, seed, report, confirm)


class Swallows(Kept):
    def __call__(self, params, seed, report, confirm):
        try:
            return super().__call__(params, seed, report, confirm)
        except TrialStopped:
            return 0.0


class Renames(Kept):
    def __call__(self, params, seed, report, confirm):
        try:
            return super().__call__(params, seed, report, confirm)
        except Exception as error:
            raise RuntimeError("the trial has failed") from error


class GoesOn(Kept):
    """Reports again when it was told to end."""

    def __call__(self, params, seed, report, confirm):
        try:
            return super().__call__(params, seed, report, confirm)
        except BaseException:
            report(0.0)


class HidesFailure(Kept):
    def __call__(self, params, seed, report, confirm):
        return 99.0 if params["x"] < 0 else super().__call__(params, seed, report, confirm)


class BreaksWhenStopped(Kept):
    """Keeps something between its calls, which a trial that is stopped leaves in pieces."""

    def __init__(self):
        self.busy = False

    def __call__(self, *arguments):
        if self.busy:
            raise RuntimeError("it is busy")
        self.busy = True
        result = super().__call__(*arguments)
        self.busy = False
        return result


BROKEN = [
    (Unpicklable, "an evaluator can be pickled, which takes it to the workers: .* TypeError: cannot pickle"),
    (
        Text,
        "a result is a finite number, or a dict with one under 'default': the trial {'x': 1} with seed 1 raises Valu",
    ),
    (NoDefault, "a result is a finite number, or a dict with one under 'default'"),
    (ReportsNan, r"reports are finite numbers: the trial {'x': 1} with seed 1 reports \[nan\]"),
    (ReportsText, r"reports are finite numbers: the trial {'x': 1} with seed 1 reports \['0.5'\]"),
    (ReportsLate, r"reports come before the result: the trial {'x': 1} with seed 1 reports \[9.0\] after it"),
    (Draws, "the same parameters and seed give the same reports and result: the trial {'x': 1}"),
    (Counts, r"the same parameters and seed give the same reports and result: .* gives \(\[\], 1.0\), then the same"),
    (
        NoConfirmation,
        "a trial with parameters of the space has a result: .*, confirm=True raises KeyError: 'full budget'",
    ),
    (Swallows, r"what `report` raises comes out of the trial: .* swallows TrialStopped\(\)"),
    (Renames, "what `report` raises comes out of the trial: .* raises RuntimeError.* in place of OwnError"),
    (GoesOn, "a trial ends where `report` raises: the trial {'x': 1} with seed 1 reports again"),
    (HidesFailure, "what goes wrong in a trial is raised: the trial {'x': -1} with seed 1 returns"),
    (BreaksWhenStopped, "a trial with parameters of the space has a result: .* raises RuntimeError: it is busy"),
]


def test_what_keeps_the_contract_passes():
    check_evaluator(Kept, [{"x": 1}, {"x": 2}], failing=[{"x": -1}])
    check_evaluator(Draws, [{"x": 1}], same=False)


@pytest.mark.parametrize(("broken", "sentence"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_what_breaks_the_contract_is_found(broken, sentence):
    with pytest.raises(BrokenContract, match=f"^{sentence}"):
        check_evaluator(broken, [{"x": 1}], failing=[{"x": -1}])
