"""Chooses the number of concurrent trainings and their length, so that a search fits the device."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fastcifar.data import load
from fastcifar.data.split import HOLDOUT_SIZE
from fastcifar.experiment.engines.base import Needs
from fastcifar.experiment.engines.local.gpus import GPUs
from fastcifar.experiment.engines.local.resources import Resources
from fastcifar.experiment.loop import Driver
from fastcifar.experiment.objectives.registry import recipes_of
from fastcifar.experiment.objectives.training.cost import Cost, probe
from fastcifar.experiment.objectives.training.sizes import ARCHITECTURE, flops
from fastcifar.experiment.objectives.training.space_check import check_space
from fastcifar.experiment.objectives.training.trial_recipe import name_of
from fastcifar.experiment.spec import Spec
from fastcifar.search.spaces.space import Params
from fastcifar.train import Recipe, RecipeError

SHORT_EPOCHS = 5  # of a shortened trial, if the recipe has more
MIN_IMAGES = 5_000
MAX_CONCURRENT_TRIALS = 8  # with more, a searcher knows too little of the last ones
WORKER_BYTES = 2_500_000_000  # memory per worker; one that trains resnet9 with batch 512 takes 2 GB
MEASURED = "measured"  # key in the store, set once a fitting budget has been found
SHORT_STEPS = 150  # of a shortened trial
MIN_BATCH = 128  # images, of a shortened trial
SHORT_SECONDS = 45.0  # target duration of a shortened trial


def spread(device: torch.device) -> dict[str, Any] | None:
    """`Spec.gpus` of trainings: one GPU each; None where `device` names one, or there is only one."""
    several = str(device) == "cuda" and torch.cuda.device_count() > 1
    return {"number": 1, "use_active": True} if several else None


def training_needs(device: torch.device, gpus: Mapping[str, Any] | None = None, threads: int = 1) -> Needs:
    """The needs of one training: cores on a CPU, otherwise a GPU if `gpus` (from `spread`) assigns them."""
    on_cpu = device.type == "cpu"
    return Needs(threads=threads if on_cpu else None, gpus=None if gpus is None else 1, memory=WORKER_BYTES)


def default_concurrency(
    device: torch.device, gpus: Mapping[str, Any] | None = None, threads: int = 1, resources: Resources | None = None
) -> int:
    """The number of concurrent trials: one per `threads` CPU cores or per GPU, limited by memory and
    MAX_CONCURRENT_TRIALS.

    One trial per core gives the most trials per hour (benchmarks/throughput.py). gpus: from `spread`.
    Raises GPUError if the GPUs cannot be listed.
    """
    if device.type != "cpu" and gpus is None:
        return 1
    resources = resources or Resources(GPUs(use_active=True))
    return int(min(MAX_CONCURRENT_TRIALS, resources.capacity(training_needs(device, gpus, threads))))


def load_images(name: str, data_dir: Path | None) -> int:
    """Load the images, or fail before a worker needs them; return the number of images that a trial may train on.

    Raises the errors of `load`.
    """
    return len(load(name, data_dir).train.labels) - HOLDOUT_SIZE


def measured(spec: Spec, driver: Driver) -> tuple[Spec, list[Recipe], Cost]:
    """The spec with a budget that fits the device (also stored), sample networks of its space, and the training cost.

    Raises the errors of `check_space` and `load`, and ProbeError.
    """
    assert spec.recipe is not None
    recipe, recipes, space = Recipe.from_dict(spec.recipe), recipes_of(spec), driver.plan.space
    available = load_images(recipe.dataset, None if spec.data_dir is None else Path(spec.data_dir))
    samples = check_space(recipes, space, source=spec.name, images=available)
    most = max(one.train_images or 0 for one in (recipe, *samples))
    if most > available:
        raise RecipeError(f"train_images: {most} is more than the {available} that are not held out")
    middle = sorted(samples, key=flops)[len(samples) // 2]
    cost = probe(driver.engine, middle, driver.store.folder, available, driver.store.check, driver.plan.needs)
    fixed = {name_of(parameter).partition(".")[0] for parameter in space.parameters}
    whole = spec.device.startswith("cuda") or driver.plan.budget is not None  # of Hyperband
    short = {} if whole else shortened(recipe, samples, cost, fixed)
    if short:
        check_space(lambda params: recipes({**short, **params}), space, source=spec.name, images=available)
    spec = replace(spec, short=short)
    driver.store.set({"spec": spec.to_dict(), MEASURED: True})
    driver.plan = replace(driver.plan, short=spec.short)
    return spec, samples, cost


def shortened(
    recipe: Recipe, samples: list[Recipe], cost: Cost, fixed: set[str], seconds: float = SHORT_SECONDS
) -> Params:
    """Fields that shorten a trial to about `seconds` on average over `samples`; {} if no change is needed.

    First fewer epochs, then fewer images. Then, if the space varies the network only, smaller batches for SHORT_STEPS
    steps, because the first steps of a training order networks differently from its end (benchmarks/LOG.md).
    fixed: fields that the space decides, or that depend on it.
    """
    changes: Params = {}

    def mean_seconds() -> float:
        return float(np.mean([cost.seconds(sample.with_params(changes)) for sample in samples]))

    if mean_seconds() <= seconds:
        return changes
    if not fixed & {"total_epoch", "peak_epoch"} and recipe.total_epoch > SHORT_EPOCHS:
        changes["total_epoch"] = SHORT_EPOCHS
    if "train_images" not in fixed and mean_seconds() > seconds:
        share = seconds / mean_seconds()
        available = min(recipe.train_images or cost.available, cost.available)
        least = max(MIN_IMAGES, *(sample.batch_size for sample in samples))
        changes["train_images"] = max(least, round(available * share) // 1000 * 1000)
    if changes and fixed <= set(ARCHITECTURE):
        changes |= _smaller_batches(recipe.with_params(changes), cost.available)
    return changes


def _smaller_batches(recipe: Recipe, available: int) -> Params:
    """Fields of SGD: a batch size that gives SHORT_STEPS steps (at least MIN_BATCH), and rates in proportion to it.

    Rates (of the mean loss) in proportion to the batch size keep the effect of an epoch about the same (Goyal et al.
    2017).
    """
    images = min(recipe.train_images or available, available) * recipe.total_epoch
    batch_size = recipe.batch_size
    while images // batch_size < SHORT_STEPS and batch_size // 2 >= MIN_BATCH:
        batch_size //= 2
    if recipe.optimizer != "sgd" or batch_size == recipe.batch_size:
        return {}
    rates = {name: getattr(recipe, name) for name in ("peak_lr", "bias_lr", "head_lr")}
    share = batch_size / recipe.batch_size
    return {"batch_size": batch_size, **{name: rate * share for name, rate in rates.items() if rate is not None}}
