"""Trials that train: their cost, a budget that fits, and what a trial gives."""

import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from coloured import coloured

from fastcifar.cli.search_view import estimate
from fastcifar.experiment.engines.base import Ended, Report
from fastcifar.experiment.engines.local import resources
from fastcifar.experiment.objectives.training import budget, evaluator
from fastcifar.experiment.objectives.training.budget import WORKER_BYTES, default_concurrency, shortened
from fastcifar.experiment.objectives.training.cost import Cost, probe
from fastcifar.experiment.objectives.training.evaluator import TrainEvaluator
from fastcifar.experiment.objectives.training.sizes import flops, parameters
from fastcifar.experiment.planning import plan_of
from fastcifar.experiment.spec import Spec
from fastcifar.search import Space
from fastcifar.train import Recipe, RecipeError, named_recipe

TINY = {
    "dataset": "synthetic",
    "total_epoch": 2,
    "peak_epoch": 1,
    "batch_size": 32,
    "train_images": 96,
    "precision": "O0",
    "prep": 4,
    "layer1": 4,
    "layer2": 4,
    "layer3": 4,
}

RECIPE = {name: value for name, value in TINY.items() if name != "train_images"}


@pytest.fixture
def few_images(monkeypatch):
    monkeypatch.setattr(evaluator, "_dataset", lambda name, data_dir: coloured(5_640, 100))  # 5,000 are held out


def test_one_trial_for_its_threads_as_far_as_memory_allows(monkeypatch):
    monkeypatch.setattr(resources, "cores", lambda: 4)
    monkeypatch.setattr(resources, "free_memory", lambda: 2.9 * WORKER_BYTES)
    assert default_concurrency(torch.device("cpu")) == 2
    monkeypatch.setattr(resources, "free_memory", lambda: 1000)
    assert default_concurrency(torch.device("cpu")) == 1
    monkeypatch.setattr(resources, "free_memory", lambda: float("inf"))  # as on macOS
    assert [default_concurrency(torch.device("cpu"), None, threads) for threads in (1, 2, 3, 8)] == [4, 2, 1, 1]


def test_more_images_than_are_not_held_out(monkeypatch):
    monkeypatch.setattr(budget, "load_images", lambda name, data_dir: 640)
    spec = Spec(space={"prep": {"_type": "choice", "_value": [2, 4]}}, recipe={**TINY, "train_images": 641})
    driver = SimpleNamespace(plan=SimpleNamespace(space=Space.from_dict(spec.space)))
    with pytest.raises(RecipeError, match="train_images: 641 is more than the 640 that are not held out"):
        budget.measured(spec, driver)


def test_the_budget_of_hyperband_is_not_of_the_space():
    spec = Spec(
        space={"total_epoch": {"_type": "randint", "_value": [2, 9]}},
        tuner={"name": "Hyperband", "class_args": {"high": 9, "budget": "total_epoch"}},
    )
    with pytest.raises(ValueError, match="total_epoch: Hyperband decides it"):
        plan_of(spec)


def cost(seconds_an_image, recipe, check=0.0):
    return Cost(
        seconds_per_work=seconds_an_image / flops(recipe), seconds_per_check=check / flops(recipe), available=45_000
    )


def test_seconds_of_a_training():
    recipe = named_recipe("resnet9-tiny").with_params({"total_epoch": 3, "train_images": 10_000})
    assert cost(1e-3, recipe).seconds(recipe) == pytest.approx(30)
    assert cost(1e-3, recipe, check=2e-4).seconds(recipe) == pytest.approx(33)
    whole = recipe.with_params({"train_images": None})  # the holdout leaves 45,000
    assert cost(1e-3, recipe).seconds(whole) == pytest.approx(135)


def test_smaller_images_cost_less():
    recipe = named_recipe("resnet9-tiny").with_params({"total_epoch": 4, "train_images": 10_000})
    smaller = recipe.with_params({"sizes": {"16": 2}})
    assert cost(1e-3, recipe, check=2e-4).seconds(smaller) == pytest.approx(2 * 2.5 + 2 * 10 + 4)


def test_a_shorter_trial_keeps_its_shares():
    """As Hyperband asks for it; a space that says itself how many epochs means its other fields as they are."""
    evaluator = TrainEvaluator(recipe=named_recipe("speedrun94-cpu"))
    params = {"sizes.20": 1, "sizes.24": 2, "peak_epoch": 3.0}
    assert dict(evaluator.recipe_of(params).sizes) == {"20": 1, "24": 2, "28": 1}
    shorter = evaluator.recipe_of({**params, "total_epoch": 3})
    assert (shorter.total_epoch, shorter.peak_epoch, dict(shorter.sizes)) == (3, 1.5, {"24": 1})
    asked = replace(evaluator, epochs_of_space=True)
    with pytest.raises(RecipeError, match="sizes: its 4 epochs are more than total_epoch"):
        asked.recipe_of({**params, "total_epoch": 3})
    assert asked.recipe_of({"peak_epoch": 3.0, "total_epoch": 5}).peak_epoch == 3


def test_wider_networks_cost_in_proportion_to_their_flops():
    recipe = named_recipe("resnet9-tiny")
    wide = recipe.with_params({"layer3": 384})
    price = cost(1e-3, recipe)
    assert price.seconds(wide) / price.seconds(recipe) == pytest.approx(flops(wide) / flops(recipe))
    assert parameters(wide) > parameters(recipe)


class Trains:
    """An engine whose one trial reports twice, and then has these metrics."""

    def __init__(self, metrics):
        self.events_left = [Report(number=-1, value=1.0), Ended(number=-1, value=1.0, metrics=metrics)]
        self.trial, self.went_on = None, 0

    def start(self, trial):
        self.trial = trial

    def events(self, timeout):
        time.sleep(0.1)
        return [self.events_left.pop(0)]

    def go_on(self, number):
        self.went_on += 1


def test_the_probe_and_the_estimate_count_what_is_not_training(tmp_path):
    """By hand: 768 images in 0.768 s, 5,000 looked at in 1 s, 0.5 s besides, and 0.2 s less the training to start."""
    recipe = named_recipe("resnet9-tiny").with_params({"batch_size": 128, "total_epoch": 4, "train_images": 10_000})
    metrics = {"epoch_seconds": [3.0, 0.768], "valid_seconds": [1.0, 1.0], "flops": flops(recipe)}
    engine = Trains({**metrics, "wall_seconds": 6.268})
    found = probe(engine, recipe, tmp_path, available=45_000)
    assert engine.trial.params["train_images"] == 768 and engine.went_on == 1
    assert found.seconds(recipe) == pytest.approx(4 * (10 + 1)) and found.seconds_to_start == 0
    assert found.trial_seconds(recipe) == pytest.approx(44.5)
    started = probe(Trains({**metrics, "wall_seconds": 0.05}), recipe, tmp_path, available=45_000)
    assert 0.14 < started.seconds_to_start < 1 and started.seconds_besides == 0
    slow_start = replace(found, seconds_to_start=5.5)
    spec = Spec(space={}, trials=2, concurrency=2, recipe=recipe.to_dict())
    assert "2 trials, 2 at a time: about 50 s in all" in estimate(spec, recipe, [recipe], slow_start)
    assert "about 89 s in all" in estimate(replace(spec, concurrency=1), recipe, [recipe], slow_start)
    assert "about 1 trial, 50 s" in estimate(
        replace(spec, trials=None, seconds=50, concurrency=1), recipe, [recipe], found
    )


def test_the_probe_is_of_whole_images(tmp_path):
    recipe = named_recipe("speedrun94-cpu")
    metrics = {"epoch_seconds": [1.0, 1.0], "valid_seconds": [1.0, 1.0], "flops": flops(recipe), "wall_seconds": 5.0}
    engine = Trains(metrics)
    probe(engine, recipe, tmp_path, available=45_000)
    asked = TrainEvaluator(recipe=recipe).recipe_of(engine.trial.params)
    assert (asked.total_epoch, dict(asked.sizes), asked.train_images) == (2, {}, 12_000)


def test_a_budget_is_shortened_first_in_epochs_then_in_images():
    recipe = named_recipe("resnet9-tiny")  # 10 epochs
    assert shortened(recipe, [recipe], cost(1e-6, recipe), set(), seconds=45) == {}
    # 45,000 images of 1e-4 s: 4.5 s an epoch, 45 in all; for 30 five epochs are enough.
    assert shortened(recipe, [recipe], cost(1e-4, recipe), set(), seconds=30) == {"total_epoch": 5}
    assert shortened(recipe, [recipe], cost(1e-4, recipe), set(), seconds=10) == {
        "total_epoch": 5,
        "train_images": 20_000,
    }
    least = shortened(recipe, [recipe], cost(1e-2, recipe), set(), seconds=10)
    assert least == {"total_epoch": 5, "train_images": 5_000, "batch_size": 128, "peak_lr": recipe.peak_lr / 4}
    # What the space decides, or what hangs on it, stays.
    fixed = shortened(recipe, [recipe], cost(1e-4, recipe), {"peak_epoch"}, seconds=22.5)
    assert fixed == {"train_images": 22_000}


def test_a_shortened_trial_has_images_for_the_largest_batch():
    recipe = named_recipe("resnet9-tiny")
    samples = [recipe, recipe.with_params({"batch_size": 6_144})]
    short = shortened(recipe, samples, cost(1e-2, recipe), {"batch_size"}, seconds=10)
    assert short == {"total_epoch": 5, "train_images": 6_144}


def test_a_batch_of_the_space_that_has_more_images_than_there_are(monkeypatch):
    monkeypatch.setattr(budget, "load_images", lambda name, data_dir: 640)
    spec = Spec(name="batches", space={"batch_size": {"_type": "choice", "_value": [32, 641]}}, recipe=RECIPE)
    driver = SimpleNamespace(plan=SimpleNamespace(space=Space.from_dict(spec.space)))
    with pytest.raises(ValueError, match="batches: batch_size: 641 is more than the 640 images to train on"):
        budget.measured(spec, driver)


def test_a_short_trial_has_smaller_batches_where_only_networks_differ():
    recipe = named_recipe("resnet9-tiny").with_params({"bias_lr": 3.2, "batch_size": 500})
    slow = cost(2e-4, recipe)
    short = shortened(recipe, [recipe], slow, {"prep", "extra_layers"}, seconds=6)
    # 30,000 images in all: 60 steps of 500, 120 of 250; 125 would be below 128.
    rates = {"peak_lr": recipe.peak_lr / 2, "bias_lr": 1.6}
    assert short == {"total_epoch": 5, "train_images": 6_000, "batch_size": 250, **rates}
    assert shortened(recipe, [recipe], slow, {"prep", "peak_lr"}, seconds=6).keys() == {"total_epoch", "train_images"}
    muon = recipe.with_params({"optimizer": "muon"})
    assert shortened(muon, [muon], slow, set(), seconds=6).keys() == {"total_epoch", "train_images"}


@pytest.mark.usefixtures("few_images")
def test_a_trial_reports_the_holdout_and_looks_at_test_only_to_confirm():
    evaluator = TrainEvaluator(recipe=Recipe().with_params(TINY), device="cpu")
    reports = []
    found = evaluator({"layer3": 8}, 3, reports.append, False)
    assert len(reports) == 2 and found["default"] == reports[-1] and 0 <= found["default"] <= 100
    assert "test_acc" not in found and len(found["epoch_seconds"]) == 2
    assert found["flops"] == flops(Recipe().with_params({**TINY, "layer3": 8}))
    again = evaluator({"layer3": 8}, 3, lambda value: None, True)
    assert again["default"] == found["default"] and 0 <= again["test_acc"] <= 100


@pytest.mark.usefixtures("few_images")
def test_a_training_that_diverges_is_a_failure():
    evaluator = TrainEvaluator(recipe=Recipe().with_params(TINY), device="cpu")
    with pytest.raises(ValueError, match="NaN or infinite"):
        evaluator({"peak_lr": 1e30}, 0, lambda value: None, False)
