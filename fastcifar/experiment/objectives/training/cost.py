"""The cost of training on this device, measured by a very short training."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastcifar.data import SIDE
from fastcifar.data.split import HOLDOUT_SIZE
from fastcifar.errors import Failure
from fastcifar.experiment.engines.base import NO_NEEDS, Ended, Engine, Needs, Report, Trial
from fastcifar.experiment.objectives.training.sizes import flops
from fastcifar.stopping import check
from fastcifar.train import Recipe
from fastcifar.train.networks import side_at

PROBE_BATCHES = 6


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of training here, per FLOP of a forward pass and per image. available: images to train on."""

    seconds_per_work: float  # of training
    seconds_per_check: float  # of validation
    available: int
    seconds_besides: float = 0.0  # per trial, outside the epochs: building the network, warm-up
    seconds_to_start: float = 0.0  # per worker: loading torch and the images

    def seconds(self, recipe: Recipe) -> float:
        """Seconds of one training on the images that are not held out."""
        images = min(recipe.train_images or self.available, self.available)
        epochs = sum((side_at(recipe, epoch) / SIDE) ** 2 for epoch in range(recipe.total_epoch))  # of whole images
        checks = HOLDOUT_SIZE * recipe.total_epoch * self.seconds_per_check
        return flops(recipe) * (images * epochs * self.seconds_per_work + checks)

    def trial_seconds(self, recipe: Recipe) -> float:
        """Seconds of one trial, from its start to its end."""
        return self.seconds(recipe) + self.seconds_besides


def probe(
    engine: Engine,
    recipe: Recipe,
    folder: Path,
    available: int,
    look: Callable[[], None] = lambda: None,
    needs: Needs = NO_NEEDS,
) -> Cost:
    """Measure the cost of training by two very short epochs; the second one counts.

    available: images to train on. needs: those of a trial, so that trials reuse this worker.
    look: called twice a second; an exception from it ends the wait.
    """
    images = min(recipe.batch_size * PROBE_BATCHES, available)
    params = {**recipe.to_dict(), "total_epoch": 2, "peak_epoch": 1, "sizes": {}, "train_images": images}
    began = time.monotonic()
    engine.start(Trial(number=-1, experiment="probe", params=params, seed=0, folder=folder, needs=needs))
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


class ProbeError(Failure):
    """The first, short training failed, so nothing can be trained here."""


def _cost(metrics: Mapping[str, Any], images: int, available: int, seconds: float) -> Cost:
    """The cost, from a training's metrics and its total seconds in a new worker."""
    wall = metrics["wall_seconds"]
    return Cost(
        seconds_per_work=metrics["epoch_seconds"][1] / images / metrics["flops"],
        seconds_per_check=metrics["valid_seconds"][1] / HOLDOUT_SIZE / metrics["flops"],
        available=available,
        seconds_besides=max(0.0, wall - sum(metrics["epoch_seconds"]) - sum(metrics["valid_seconds"])),
        seconds_to_start=max(0.0, seconds - wall),
    )
