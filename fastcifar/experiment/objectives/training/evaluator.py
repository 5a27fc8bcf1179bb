"""Trials that train: the evaluator of a recipe, what a trial costs, and a budget that fits the device."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fastcifar.data import SIDE, Dataset, load
from fastcifar.data.split import HOLDOUT_SIZE
from fastcifar.errors import Failure
from fastcifar.experiment.engines.base import Ended, Engine, Report, Trial
from fastcifar.experiment.engines.local.gpus import GPUs
from fastcifar.experiment.objectives.base import Reporter
from fastcifar.experiment.objectives.training.sizes import ARCHITECTURE, flops
from fastcifar.experiment.objectives.training.space_check import check_space
from fastcifar.experiment.objectives.training.trial_recipe import TrialRecipes, name_of
from fastcifar.machine import cores, free_memory
from fastcifar.search.spaces.space import Params
from fastcifar.stopping import check
from fastcifar.train import Hooks, Recipe, RecipeError, train
from fastcifar.train.networks import side_at

if TYPE_CHECKING:
    from fastcifar.experiment.loop import Driver
    from fastcifar.experiment.spec import Spec

PROBE_BATCHES = 6
EPOCHS = 5  # of a shortened trial, where the recipe has more
MIN_IMAGES = 5_000
MOST = 8  # trials beside each other; with more, a searcher knows too little of the last ones
WORKER_BYTES = 2_500_000_000  # of memory; a worker that trains resnet9 with batch 512 has been seen to take 2 GB
MEASURED = "measured"  # in the store, once a budget that fits has been found
STEPS = 150  # of a shortened trial
MIN_BATCH = 128  # images, of a shortened trial
SECONDS = 45.0  # that a shortened trial is meant to take


@dataclass(frozen=True, kw_only=True)
class TrainEvaluator:
    """Trains a recipe with the trial's parameters; the result is the accuracy on the holdout, in percent.

    A trial that confirms looks at the test images too, once, at its end: `test_acc`.
    epochs_of_space, space_epochs: `epochs_of_space` and `epochs` of TrialRecipes.
    """

    recipe: Recipe
    data_dir: Path | None = None
    device: str = "auto"
    epochs_of_space: bool = False
    space_epochs: int | None = None

    def recipe_of(self, params: Params) -> Recipe:
        """The recipe of a trial. Raises RecipeError for parameters that no recipe can have."""
        recipes = TrialRecipes(recipe=self.recipe, epochs=self.space_epochs, epochs_of_space=self.epochs_of_space)
        return recipes(params)

    def __call__(self, params: Params, seed: int, report: Reporter, confirm: bool) -> dict[str, Any]:
        recipe = self.recipe_of(params)
        dataset = _dataset(recipe.dataset, self.data_dir)
        hooks = Hooks(on_epoch=lambda row: report(100 * row.valid_acc))
        result = train(recipe, dataset, seed, device=self.device, split="holdout", report_test=confirm, hooks=hooks)
        if result.valid_acc is None or result.status == "diverged":
            raise ValueError(result.message)
        metrics = {
            "default": 100 * result.valid_acc,
            "parameters": result.parameters,
            "flops": flops(recipe),
            "train_seconds": result.times.train,
            "epoch_seconds": [row.train_time for row in result.epochs],
            "valid_seconds": [row.valid_time for row in result.epochs],
            "wall_seconds": result.times.wall,
            "canonical": dataset.canonical,
        }
        return metrics if result.test_acc is None else {**metrics, "test_acc": 100 * result.test_acc}


@lru_cache(maxsize=2)
def _dataset(name: str, data_dir: Path | None) -> Dataset:
    return load(name, data_dir)


def spread(device: torch.device) -> dict[str, Any] | None:
    """`Spec.gpus` of trainings: one GPU each; None where `device` names one, or there is only one."""
    several = str(device) == "cuda" and torch.cuda.device_count() > 1
    return {"number": 1, "use_active": True} if several else None


def default_concurrency(device: torch.device, gpus: Mapping[str, Any] | None = None, threads: int = 1) -> int:
    """Trials beside each other: on a CPU one for `threads` cores (one a core gives most trials an hour); one a GPU.

    Measured by benchmarks/throughput.py. At most MOST, and as many as the free memory holds.
    gpus: what `spread` gives. Raises GPUError where it cannot be found out which GPUs there are.
    """
    on_gpus = 1 if gpus is None else int(GPUs(**gpus).capacity())
    room = cores() // threads if device.type == "cpu" else on_gpus
    return int(max(1, min(MOST, room, free_memory() // WORKER_BYTES)))


def load_images(name: str, data_dir: Path | None) -> int:
    """Get the images, or say why they cannot be had, before a worker needs them; how many a trial may train on.

    Raises what `load` raises.
    """
    return len(load(name, data_dir).train.labels) - HOLDOUT_SIZE


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What training costs here, for one FLOP of a forward pass and one image. available: images to train on."""

    seconds_per_work: float  # of training
    seconds_per_check: float  # of validation
    available: int
    seconds_besides: float = 0.0  # of a trial: what is no epoch, such as building the network and a warm-up
    seconds_to_start: float = 0.0  # of a worker: torch and the images

    def seconds(self, recipe: Recipe) -> float:
        """Of one training on the holdout's other images."""
        images = min(recipe.train_images or self.available, self.available)
        epochs = sum((side_at(recipe, epoch) / SIDE) ** 2 for epoch in range(recipe.total_epoch))  # of whole images
        checks = HOLDOUT_SIZE * recipe.total_epoch * self.seconds_per_check
        return flops(recipe) * (images * epochs * self.seconds_per_work + checks)

    def trial_seconds(self, recipe: Recipe) -> float:
        """Of one trial, from its start to its end."""
        return self.seconds(recipe) + self.seconds_besides


def probe(
    engine: Engine, recipe: Recipe, folder: Path, available: int, look: Callable[[], None] = lambda: None
) -> Cost:
    """Measure the cost of training by two very short epochs; the second is what counts. available: images.

    look: called twice a second; what it raises ends the wait.
    """
    images = min(recipe.batch_size * PROBE_BATCHES, available)
    params = {**recipe.to_dict(), "total_epoch": 2, "peak_epoch": 1, "sizes": {}, "train_images": images}
    began = time.monotonic()
    engine.start(Trial(number=-1, experiment="probe", params=params, seed=0, folder=folder))
    while True:
        check()
        look()
        for event in engine.events(0.5):
            if isinstance(event, Report):
                engine.go_on(-1)
            elif isinstance(event, Ended):
                if event.value is None:
                    raise ProbeError(f"a first, short training failed: {event.message}")
                return _cost(event.metrics, images, available, time.monotonic() - began)


def measured(spec: "Spec", driver: "Driver") -> tuple["Spec", list[Recipe], Cost]:
    """The spec with a budget that fits the device, kept in the store; networks of its space; what training them costs.

    Raises what `check_space` and `load` raise, and ProbeError.
    """
    assert spec.recipe is not None
    recipe, recipes, space = Recipe.from_dict(spec.recipe), spec.recipes(), driver.plan.space
    available = load_images(recipe.dataset, None if spec.data_dir is None else Path(spec.data_dir))
    samples = check_space(recipes, space, source=spec.name, images=available)
    most = max(one.train_images or 0 for one in (recipe, *samples))
    if most > available:
        raise RecipeError(f"train_images: {most} is more than the {available} that are not held out")
    middle = sorted(samples, key=flops)[len(samples) // 2]
    cost = probe(driver.engine, middle, driver.store.folder, available, driver.store.check)
    fixed = {name_of(parameter).partition(".")[0] for parameter in space.parameters}
    whole = spec.device.startswith("cuda") or driver.plan.budget is not None  # of Hyperband
    short = {} if whole else shortened(recipe, samples, cost, fixed)
    if short:
        check_space(lambda params: recipes({**short, **params}), space, source=spec.name, images=available)
    spec = replace(spec, short=short)
    driver.store.set({"spec": spec.to_dict(), MEASURED: True})
    driver.plan = replace(driver.plan, short=spec.short)
    return spec, samples, cost


class ProbeError(Failure):
    """Nothing can be trained here."""


def _cost(metrics: Mapping[str, Any], images: int, available: int, seconds: float) -> Cost:
    """The cost, from a training's metrics and the seconds from its start in a new worker to its end."""
    wall = metrics["wall_seconds"]
    return Cost(
        seconds_per_work=metrics["epoch_seconds"][1] / images / metrics["flops"],
        seconds_per_check=metrics["valid_seconds"][1] / HOLDOUT_SIZE / metrics["flops"],
        available=available,
        seconds_besides=max(0.0, wall - sum(metrics["epoch_seconds"]) - sum(metrics["valid_seconds"])),
        seconds_to_start=max(0.0, seconds - wall),
    )


def shortened(recipe: Recipe, samples: list[Recipe], cost: Cost, fixed: set[str], seconds: float = SECONDS) -> Params:
    """Fields that make a trial of the recipe take about `seconds` on average over `samples`; {} where it does anyway.

    First fewer epochs, then fewer images; then, where the space holds networks only, batches so small that there are
    STEPS steps: in the first few of a training the order of networks is another than at its end (benchmarks/LOG.md).
    `fixed` are fields that the space decides, or that hang on it.
    """
    changes: Params = {}

    def mean_seconds() -> float:
        return float(np.mean([cost.seconds(sample.with_params(changes)) for sample in samples]))

    if mean_seconds() <= seconds:
        return changes
    if not fixed & {"total_epoch", "peak_epoch"} and recipe.total_epoch > EPOCHS:
        changes["total_epoch"] = EPOCHS
    if "train_images" not in fixed and mean_seconds() > seconds:
        share = seconds / mean_seconds()
        available = min(recipe.train_images or cost.available, cost.available)
        least = max(MIN_IMAGES, *(sample.batch_size for sample in samples))
        changes["train_images"] = max(least, round(available * share) // 1000 * 1000)
    if changes and fixed <= set(ARCHITECTURE):
        changes |= _smaller_batches(recipe.with_params(changes), cost.available)
    return changes


def _smaller_batches(recipe: Recipe, available: int) -> Params:
    """Fields of SGD with batches that make STEPS steps, or of MIN_BATCH images, at rates for so large batches.

    Rates of the mean loss that go with the batch leave what an epoch does about as it is (Goyal et al. 2017).
    """
    images = min(recipe.train_images or available, available) * recipe.total_epoch
    batch_size = recipe.batch_size
    while images // batch_size < STEPS and batch_size // 2 >= MIN_BATCH:
        batch_size //= 2
    if recipe.optimizer != "sgd" or batch_size == recipe.batch_size:
        return {}
    rates = {name: getattr(recipe, name) for name in ("peak_lr", "bias_lr", "head_lr")}
    share = batch_size / recipe.batch_size
    return {"batch_size": batch_size, **{name: rate * share for name, rate in rates.items() if rate is not None}}
