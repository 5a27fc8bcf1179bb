"""How many trainings beside each other, and how short each, so that a search fits the device."""

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

EPOCHS = 5  # of a shortened trial, where the recipe has more
MIN_IMAGES = 5_000
MOST = 8  # trials beside each other; with more, a searcher knows too little of the last ones
WORKER_BYTES = 2_500_000_000  # of memory; a worker that trains resnet9 with batch 512 takes 2 GB
MEASURED = "measured"  # in the store, once a budget that fits has been found
STEPS = 150  # of a shortened trial
MIN_BATCH = 128  # images, of a shortened trial
SECONDS = 45.0  # that a shortened trial is meant to take


def spread(device: torch.device) -> dict[str, Any] | None:
    """`Spec.gpus` of trainings: one GPU each; None where `device` names one, or there is only one."""
    several = str(device) == "cuda" and torch.cuda.device_count() > 1
    return {"number": 1, "use_active": True} if several else None


def training_needs(device: torch.device, gpus: Mapping[str, Any] | None = None, threads: int = 1) -> Needs:
    """What one training needs: cores on a CPU, else a GPU where `gpus` (what `spread` gives) deals them out."""
    on_cpu = device.type == "cpu"
    return Needs(threads=threads if on_cpu else None, gpus=None if gpus is None else 1, memory=WORKER_BYTES)


def default_concurrency(
    device: torch.device, gpus: Mapping[str, Any] | None = None, threads: int = 1, resources: Resources | None = None
) -> int:
    """Trials beside each other, MOST at most: one for `threads` cores of a CPU, one a GPU, as far as memory allows.

    One trial a core gives most trials an hour (benchmarks/throughput.py). gpus: what `spread` gives.
    Raises GPUError where it cannot be found out which GPUs there are.
    """
    if device.type != "cpu" and gpus is None:
        return 1
    resources = resources or Resources(GPUs(use_active=True))
    return int(min(MOST, resources.capacity(training_needs(device, gpus, threads))))


def load_images(name: str, data_dir: Path | None) -> int:
    """Get the images, or say why they cannot be had, before a worker needs them; how many a trial may train on.

    Raises what `load` raises.
    """
    return len(load(name, data_dir).train.labels) - HOLDOUT_SIZE


def measured(spec: Spec, driver: Driver) -> tuple[Spec, list[Recipe], Cost]:
    """The spec with a budget that fits the device, kept in the store; networks of its space; what training them costs.

    Raises what `check_space` and `load` raise, and ProbeError.
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
