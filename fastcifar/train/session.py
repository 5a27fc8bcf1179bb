"""One session of a run: build, prepare, train, evaluate. A run that is resumed has several sessions."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fastcifar.data import SIDE, Batches, Dataset, Split, derived_seed, statistics
from fastcifar.errors import Failure
from fastcifar.net import WhitenConv
from fastcifar.stopping import gently
from fastcifar.train.build import init_weights, warm_up
from fastcifar.train.device import keep_memory, kernels, synchronize
from fastcifar.train.images import evaluation_batch, training_batches
from fastcifar.train.networks import side_at, step_kinds
from fastcifar.train.recipe.recipe import Recipe
from fastcifar.train.record import checkpoint
from fastcifar.train.record.ending import ending
from fastcifar.train.record.identity import identity
from fastcifar.train.record.record import RunFolder
from fastcifar.train.result import Result
from fastcifar.train.start import start_from
from fastcifar.train.step.epoch import begin_after, count_times, step_rate, timed_epoch
from fastcifar.train.step.loop import Diverged, State, evaluate, run_forward, train_epoch
from fastcifar.train.step.precision import resolve_precision
from fastcifar.train.step.reuse import Lease
from fastcifar.train.step.views import logits_of_views
from fastcifar.train.step.ways import CAPTURED
from fastcifar.train.table import EpochRow
from fastcifar.train.threads import using_threads
from fastcifar.train.watch import watched
from fastcifar.train.whiten import train_whitening, whitening_filters
from fastcifar.train.work import product_rate


class TrainError(Failure, RuntimeError):
    """A run that cannot continue; the message is for the user."""


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """Functions that a run calls.

    on_start: called once, before anything is built, with the result and the number of epochs that are done.
    on_epoch: called with each row, after it is on disk; returning True stops the run.
    progress: called with (epoch, step), from 0, after each step.
    """

    on_start: Callable[[Result, int], None] = lambda result, epochs_done: None
    on_epoch: Callable[[EpochRow], bool | None] = lambda row: None
    progress: Callable[[int, int], None] = lambda epoch, step: None


class Session:
    """The part of a run that one process does; `run` trains to the end, or until something ends it."""

    def __init__(
        self,
        result: Result,
        dataset: Dataset,
        images: tuple[Split, Split],
        device: torch.device,
        folder: RunFolder | None,
        hooks: Hooks,
        began: float,
    ) -> None:
        self.result, self.dataset, self.device, self.folder, self.hooks = result, dataset, device, folder, hooks
        self.train_split, self.valid_split = images
        self.identity = identity(result)
        self.epochs_done, self.before = begin_after(folder, self.identity, result.epochs)
        self.began = began - self.before.wall

    def run(self) -> Result:
        """Train to the end, and keep the record on disk up to date."""
        result = self.result
        self.write()
        with ending(result, lambda: self.epochs_done, self.write), using_threads(result.threads):
            self.hooks.on_start(result, self.epochs_done)
            with kernels(self.device, result.settings["deterministic"]), _memory_explained(result, self.device):
                lease = self.build()
                made = self.prepare(lease.state)
                with gently():
                    self.train(*made)
                lease.end()
            ended = self.epochs_done == result.recipe.total_epoch
            result.status, result.message = "finished" if ended else "stopped", ""
        if self.folder:
            self.folder.remove(checkpoint.FILE)  # after the record is written: a crash in between loses nothing
        return result

    def build(self) -> Lease:
        """Make the network; on CUDA or compiled, warm it up. This time is reported as `build`, and not counted."""
        began = time.perf_counter()
        if self.device.type == "cpu":
            keep_memory()
        recipe, step = self.result.recipe, self.result.settings["step"]
        precision = resolve_precision(self.result.precision, self.device)
        num_classes = len(self.dataset.classes)
        steps = len(self.train_split.labels) // recipe.batch_size
        deterministic = self.result.settings["deterministic"]
        lease = Lease(recipe, num_classes, self.device, precision, step, steps, deterministic)
        state = lease.state
        if self.device.type == "cuda" or step == "compiled":
            valid_images = len(self.valid_split.labels)
            size = evaluation_batch(valid_images, self.device)
            valid_sizes = {min(size, valid_images), valid_images % size} - {0}
            kinds = step_kinds(recipe, self.epochs_done)
            warm_up(state, num_classes, recipe.batch_size, valid_sizes, kinds)
            if self.device.type == "cuda":
                self.warm_up_images(state, {side for side, _ in kinds})
        low = precision.autocast or precision.weights
        self.result.product_rate = product_rate(self.device, low, torch.get_num_threads())
        synchronize(self.device)
        self.result.times.build = self.before.build + time.perf_counter() - began
        return lease

    def warm_up_images(self, state: State, sides: set[int]) -> None:
        """Augment and evaluate as many blank images as the run has images."""
        recipe, on_device = self.result.recipe, self.on_device(state)
        blank = [
            Split(images=np.zeros((number, SIDE, SIDE, 3), np.uint8), labels=np.zeros(number, np.int64))
            for number in (recipe.batch_size, len(self.valid_split.labels))
        ]
        batches = training_batches(recipe, blank[0], 0, **on_device)
        for side in sides:
            for _ in batches.epoch(0, side):
                pass
        if recipe.tta != "none":
            self.accuracy(state, self.evaluation_batches(blank[1], state))

    def prepare(self, state: State) -> tuple[State, Batches, Batches]:
        """Set the weights, and bring the images to the device. This time is counted."""
        began = time.perf_counter()
        recipe = self.result.recipe
        on_device = self.on_device(state)
        batches = training_batches(recipe, self.train_split, self.result.seed, **on_device)
        valid_batches = self.evaluation_batches(self.valid_split, state)
        init_weights(
            state, derived_seed(self.result.seed, "weights"), identity=recipe.identity_init, unit_head=recipe.unit_head
        )
        if recipe.whiten:
            self.whiten(state)
        if self.result.settings.get("init") is not None and not self.epochs_done:
            start_from(state, self.result.settings["init"])
        if self.folder and self.epochs_done:
            checkpoint.load(self.folder, state, self.identity)
        synchronize(self.device)
        self.result.times.prepare = self.before.prepare + time.perf_counter() - began
        return state, batches, valid_batches

    def whiten(self, state: State) -> None:
        """Set the first convolution from the training images."""
        recipe, split = self.result.recipe, self.train_split
        few = Split(images=split.images[: recipe.whiten_images], labels=split.labels[: recipe.whiten_images])
        images, _ = next(Batches(few, batch_size=recipe.whiten_images, **self.on_device(state)).epoch())
        (conv,) = (module for module in state.network.modules() if isinstance(module, WhitenConv))
        with torch.no_grad():
            conv.weight.copy_(whitening_filters(images, recipe.whiten))

    def on_device(self, state: State) -> dict[str, Any]:
        """Arguments of `Batches`: mean and deviation, which the record keeps, device and format."""
        data = self.result.dataset
        if "mean" not in data:
            mean, std = statistics(self.dataset)
            data |= {"mean": list(mean), "std": list(std)}
        return {
            "mean": tuple(data["mean"]),
            "std": tuple(data["std"]),
            "device": self.device,
            "dtype": state.precision.images,
        }

    def evaluation_batches(self, split: Split, state: State) -> Batches:
        """All images of a split, in order."""
        return Batches(split, batch_size=evaluation_batch(len(split.labels), self.device), **self.on_device(state))

    def train(self, state: State, batches: Batches, valid_batches: Batches) -> None:
        """Train and evaluate, epoch by epoch; a row is on disk before `on_epoch` is called."""
        result, every = self.result, self.result.settings["checkpoint_every"]
        for epoch in range(self.epochs_done, result.recipe.total_epoch):
            row = _epoch(result.recipe, state, batches, valid_batches, epoch, self.hooks, self.folder)
            # A row that an earlier session wrote after its last checkpoint stays until that epoch is trained again.
            rows = [*result.epochs[:epoch], row, *result.epochs[epoch + 1 :]]
            if self.folder:
                self.folder.write_epochs(rows)
            result.epochs = rows
            stop = self.hooks.on_epoch(row)
            self.epochs_done = done = epoch + 1
            count_times(result.times, rows[:done], self.began)
            if self.folder and done < result.recipe.total_epoch and done % every == 0:
                checkpoint.save(self.folder, state, done, result.times, self.identity)
            if stop:
                break
        if result.recipe.tta != "none":
            began = time.perf_counter()
            result.tta_acc = self.accuracy(state, valid_batches)
            result.times.tta = time.perf_counter() - began
        if result.settings.get("report_test"):
            result.test_acc = self.accuracy(state, self.evaluation_batches(self.dataset.test, state))
        if self.folder:
            self.folder.save_tensors("weights.safetensors", state.network.state_dict(), self.identity)

    def accuracy(self, state: State, batches: Batches) -> float:
        """The accuracy, a share of 1, by the mean logits over the recipe's views of each image."""
        recipe = self.result.recipe
        state.network.eval()

        def images() -> Iterator[torch.Tensor]:
            return (images for images, _ in watched(batches.epoch(), self.folder))

        def forward(images: torch.Tensor) -> torch.Tensor:
            return run_forward(state, images)

        logits = logits_of_views(forward, images, recipe.tta, recipe.tta_share, batches.batch_size)
        return int((logits.argmax(1) == batches.labels).sum()) / len(batches.labels)

    def write(self) -> None:
        """Write the record to disk."""
        result = self.result
        if result.status in ("stopped", "diverged") and len(result.epochs) > self.epochs_done:
            result.epochs = result.epochs[: self.epochs_done]  # later rows are of an earlier session
            if self.folder:
                self.folder.write_epochs(result.epochs)
        count_times(result.times, result.epochs, self.began)
        if self.folder:
            self.folder.write_json(result.to_dict())


def _epoch(
    recipe: Recipe,
    state: State,
    batches: Batches,
    valid_batches: Batches,
    epoch: int,
    hooks: Hooks,
    folder: RunFolder | None,
) -> EpochRow:
    steps = len(batches)

    def train() -> tuple[float, float]:
        train_whitening(state.network, epoch < recipe.whiten_epochs)
        return train_epoch(
            state,
            watched(batches.epoch(epoch, side_at(recipe, epoch)), folder),
            lr=lambda step: step_rate(recipe, epoch, step, steps),
            label_smoothing=recipe.label_smoothing,
            progress=lambda step: hooks.progress(epoch, step),
            steps_before=epoch * steps,
        )

    def validate() -> tuple[float, float]:
        loss, accuracy = evaluate(state, watched(valid_batches.epoch(), folder))
        if not math.isfinite(loss):
            raise Diverged
        return loss, accuracy

    return timed_epoch(recipe, epoch, train, validate)


@contextmanager
def _memory_explained(result: Result, device: torch.device) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error).lower()
        known = isinstance(error, (MemoryError, torch.OutOfMemoryError))
        if not known and "out of memory" not in text and "can't allocate memory" not in text:
            raise
        batch = f"with batch_size {result.recipe.batch_size}"
        # The runs before a recording need memory while that of an earlier recording is in use.
        eager = ", or for --step eager, which needs less" if result.settings["step"] in CAPTURED else ""
        raise TrainError(f"out of memory on {device} {batch}; ask for a smaller one{eager}") from error
