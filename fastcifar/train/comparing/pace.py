"""How long a run will take: its first steps, before the runs that count."""

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Unpack

from fastcifar.data import SIDE, Dataset
from fastcifar.train.device import resolve_device, synchronize
from fastcifar.train.networks import side_at
from fastcifar.train.recipe.recipe import Recipe
from fastcifar.train.result import Result
from fastcifar.train.run import RunSettings, train
from fastcifar.train.session import Hooks

TIMED_STEPS = 5
TIMED_SECONDS = 1.0  # enough, however few the steps
FORWARD = 1 / 3  # of the work of a training step, which passes forward once and backward for twice as much
VIEWS = {"none": 0, "flip": 2, "six": 6, "six-unsure": 6}  # passes forward for each image, at most


class _Enough(Exception):
    """The first steps have been made."""


class _Clock:
    """Times a run's first steps and leaves it; the first is not timed, since it takes longer than those to come."""

    def __init__(self, device: str) -> None:
        self.device = resolve_device(device)
        self.began = time.perf_counter()
        self.result: Result | None = None
        self.first = 0.0  # seconds up to the end of the first step
        self.each = 0.0  # of a step

    def hooks(self) -> Hooks:
        return Hooks(on_start=self._start, progress=self._step)

    def seconds(self) -> float:
        """Of the whole run."""
        assert self.result is not None
        recipe, images = self.result.recipe, self.result.dataset
        sizes = [(side_at(recipe, epoch) / SIDE) ** 2 for epoch in range(recipe.total_epoch)]
        step = self.each / sizes[0]  # on whole images
        training = step * (images["train_images"] // recipe.batch_size) * sum(sizes)
        passes = images["valid_images"] * (recipe.total_epoch + VIEWS[recipe.tta])
        checking = passes * FORWARD * step / recipe.batch_size
        return float(self.first + training + checking)

    def _start(self, result: Result, epochs_done: int) -> None:
        self.result = result

    def _step(self, epoch: int, step: int) -> None:
        assert self.result is not None
        synchronize(self.device)
        elapsed = time.perf_counter() - self.began
        if step == 0:
            self.first = self.each = elapsed
        else:
            self.each = (elapsed - self.first) / step
        last = self.result.dataset["train_images"] // self.result.recipe.batch_size - 1
        if step in (TIMED_STEPS, last) or (step and elapsed - self.first >= TIMED_SECONDS):
            raise _Enough


def warm(recipe: Recipe, dataset: Dataset, **settings: Unpack[RunSettings]) -> float:
    """Begin a run, leave it after a few steps and keep nothing; return about how long a whole run takes, in seconds.

    The first run of a process prepares more slowly than those to come, for which the first recipe would have to pay.
    """
    clock = _Clock(settings.get("device", "auto"))
    nothing_kept: RunSettings = {**settings, "out": None}
    with suppress(_Enough):
        train(recipe, dataset, hooks=clock.hooks(), **nothing_kept)
    return clock.seconds()


def expected(seconds: float, runs: Iterable[Result | None]) -> list[float]:
    """Seconds that each of `runs` still takes, where a whole one takes `seconds`; None has not begun."""
    return [seconds if run is None else seconds * (1 - len(run.epochs) / run.recipe.total_epoch) for run in runs]
