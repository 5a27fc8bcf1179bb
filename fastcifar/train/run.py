"""One run: a recipe, a dataset and a seed in; a table, a record and weights out."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fastcifar.data import Augmentation, Batches, Dataset, Split, derived_seed, load, parts, statistics
from fastcifar.errors import Failure
from fastcifar.train.build import build_state, describe_network, init_weights, warm_up
from fastcifar.train.checkpoint import FILE as CHECKPOINT
from fastcifar.train.checkpoint import load_checkpoint, save_checkpoint
from fastcifar.train.device import kernels, resolve_device, synchronize
from fastcifar.train.loop import Diverged, State, evaluate, train_epoch
from fastcifar.train.precision import resolve_precision
from fastcifar.train.provenance import provenance
from fastcifar.train.recipe import Recipe
from fastcifar.train.record import RecordError, RunFolder, save_drawing
from fastcifar.train.result import Result
from fastcifar.train.schedule import learning_rate
from fastcifar.train.table import EpochRow

EVALUATION_BATCH = 512  # images, as in cifar10-fast


class TrainError(Failure, RuntimeError):
    """A run that could not go on; the message is for the user."""


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What a run tells of itself while it goes.

    on_start: called once with the result, its table still empty, when training begins.
    on_epoch: called with each row, after it is on disk; returning True stops the run.
    progress: called with (epoch, step), from 0, after each step.
    """

    on_start: Callable[[Result], None] = lambda result: None
    on_epoch: Callable[[EpochRow], bool | None] = lambda row: None
    progress: Callable[[int, int], None] = lambda epoch, step: None


def train(
    recipe: Recipe,
    dataset: Dataset | None = None,
    seed: int = 0,
    *,
    device: str = "auto",
    split: str = "test",
    deterministic: bool = False,
    compiled: bool = False,
    out: str | Path | None = None,
    name: str = "run",
    checkpoint_every: int | None = None,
    hooks: Hooks = Hooks(),
) -> Result:
    """Train `recipe` once and return its result; the same arguments give the same figures, see `deterministic`.

    dataset: what `load(recipe.dataset)` returns, which is also the default.
    seed: decides weights, order and augmentation.
    device: auto, cpu, cuda or cuda:N.
    split: `test` trains on all training images and validates on test; `holdout` keeps 5,000 of them for validation.
    deterministic: on a GPU, choose only kernels that repeat themselves (on a CPU they do anyway).
    compiled: run the network through torch.compile.
    out: folder to make the run's folder in (see `record`); None keeps nothing on disk.
    checkpoint_every: epochs between checkpoints; by default 1 on a CPU and 8 on a GPU.

    A loss that is not finite ends the run with the status `diverged`; KeyboardInterrupt is recorded and raised again.
    Raises ValueError for arguments that do not fit together, RecordError (a ValueError) where `out` cannot be written.
    """
    start = time.perf_counter()
    if dataset is None:
        dataset = load(recipe.dataset)
    elif dataset.name != recipe.dataset:
        raise ValueError(f"dataset: the recipe is for {recipe.dataset}, the images are {dataset.name}")
    where = resolve_device(device)
    if checkpoint_every is None:
        checkpoint_every = 1 if where.type == "cpu" else 8
    network = describe_network(recipe, len(dataset.classes))
    result = Result(
        recipe=recipe,
        recipe_name=name,
        seed=seed,
        split=split,
        settings={
            "device": device,
            "deterministic": deterministic,
            "compiled": compiled,
            "checkpoint_every": checkpoint_every,
        },
        dataset={"name": dataset.name, "fingerprint": dataset.fingerprint, "canonical": dataset.canonical},
        provenance=provenance(where),
        precision=resolve_precision(recipe.precision, where).name,
        parameters=sum(weight.numel() for weight in network.parameters()),
        started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )
    folder = None
    if out is not None:
        needed = 30 * result.parameters + 200_000  # bytes: weights, two checkpoints (one replaces the other), the rest
        folder = RunFolder.create(Path(out), name, needed)
        result.id, result.path = folder.id, str(folder.path)
        save_drawing(network, folder.path / "network")
    return _run(result, dataset, where, folder, hooks, start)


def resume(path: str | Path, dataset: Dataset | None = None, *, hooks: Hooks = Hooks()) -> Result:
    """Continue the run in the folder `path` from its last checkpoint, or from its start, to its end.

    On one CPU machine, with the same versions and threads, it ends as the run would have without the interruption.
    Raises RecordError where the folder is no run or the run has ended, ValueError where the dataset is another one.
    """
    start = time.perf_counter()
    folder = RunFolder(Path(path))
    result = load_result(path)
    if result.status in ("finished", "stopped", "diverged"):
        raise RecordError(f"{path}: the run has ended ({result.status}); there is nothing to resume")
    if dataset is None:
        dataset = load(result.recipe.dataset)
    if dataset.fingerprint != result.dataset["fingerprint"]:
        raise ValueError(
            f"{path}: the run was made with {result.dataset['name']} images of fingerprint "
            f"{result.dataset['fingerprint'][:12]}, these have {dataset.fingerprint[:12]}"
        )
    device = resolve_device(result.settings["device"])
    result.status, result.message = "running", ""
    result.resumed += 1
    return _run(result, dataset, device, folder, hooks, start)


def load_result(path: str | Path) -> Result:
    """Read the record of the run in the folder `path`. Raises RecordError where there is none."""
    folder = RunFolder(Path(path))
    result = Result.from_dict(folder.read_json())
    result.id, result.path, result.epochs = folder.id, str(folder.path), folder.read_epochs()
    return result


def _run(
    result: Result, dataset: Dataset, device: torch.device, folder: RunFolder | None, hooks: Hooks, start: float
) -> Result:
    """All of a run but for what `train` and `resume` do differently; the record follows the status."""
    wall_before = 0.0
    if folder:
        folder.lock()
        folder.write_json(result.to_dict())
    try:
        with kernels(device, result.settings["deterministic"]), _memory_explained(result.recipe, device):
            train_split, valid_split = parts(dataset, result.split, result.recipe.train_images)
            result.dataset |= {"train_images": len(train_split.labels), "valid_images": len(valid_split.labels)}
            state = _build(result, dataset, device, len(valid_split.labels))
            batches, valid_batches = _prepare(result, dataset, train_split, valid_split, state)
            if folder:
                wall_before = _restore(result, folder, state)
            hooks.on_start(result)
            _train(result, state, batches, valid_batches, folder, hooks)
            if folder:
                folder.save_tensors(
                    "weights.safetensors", state.network.state_dict(), {"recipe": result.recipe.to_json()}
                )
                (folder.path / CHECKPOINT).unlink(missing_ok=True)
        result.status = "finished" if len(result.epochs) == result.recipe.total_epoch else "stopped"
    except Diverged:
        result.status = "diverged"
        result.message = f"the loss became NaN or infinite in epoch {len(result.epochs) + 1}"
    except KeyboardInterrupt:
        result.status = "interrupted"
        raise
    except Exception as error:
        result.status, result.message = "failed", f"{type(error).__name__}: {error}"
        raise
    finally:
        result.times.wall = wall_before + time.perf_counter() - start
        if folder:
            folder.write_json(result.to_dict())
            folder.unlock()
    return result


def _build(result: Result, dataset: Dataset, device: torch.device, valid_images: int) -> State:
    """Make the network; on CUDA or compiled, warm it up. Its time is reported, not counted."""
    began = time.perf_counter()
    precision = resolve_precision(result.precision, device)
    state = build_state(result.recipe, len(dataset.classes), device, precision, result.settings["compiled"])
    if device.type == "cuda" or result.settings["compiled"]:
        valid_sizes = {min(EVALUATION_BATCH, valid_images), valid_images % EVALUATION_BATCH} - {0}
        warm_up(state, len(dataset.classes), result.recipe.batch_size, valid_sizes)
    synchronize(device)
    result.times.build = time.perf_counter() - began
    return state


def _prepare(
    result: Result, dataset: Dataset, train_split: Split, valid_split: Split, state: State
) -> tuple[Batches, Batches]:
    """Set the weights, and bring the images to the device. Counted."""
    recipe, weight = result.recipe, next(state.network.parameters())
    began = time.perf_counter()
    mean, std = statistics(dataset)
    on_device: Any = {"mean": mean, "std": std, "device": weight.device, "dtype": state.precision.images}
    augmentation = Augmentation(shift=recipe.shift, flip=recipe.flip, cutout=recipe.cutout)
    batches = Batches(
        train_split, batch_size=recipe.batch_size, augmentation=augmentation, seed=result.seed, **on_device
    )
    valid_batches = Batches(valid_split, batch_size=EVALUATION_BATCH, **on_device)
    init_weights(state, derived_seed(result.seed, "weights"))
    synchronize(weight.device)
    result.times.prepare = time.perf_counter() - began
    return batches, valid_batches


def _restore(result: Result, folder: RunFolder, state: State) -> float:
    """Take up the last checkpoint; return the wall seconds that the run had taken up to it."""
    checkpoint = load_checkpoint(folder, state)
    if checkpoint is None:
        result.epochs = []
    else:
        done, times = checkpoint
        result.epochs = folder.read_epochs()[:done]
        if len(result.epochs) < done:
            raise RecordError(
                f"{folder.path}: epochs.csv has {len(result.epochs)} rows, the checkpoint is of epoch {done}"
            )
        result.times = times
    folder.keep_epochs(result.epochs)
    return result.times.wall if checkpoint else 0.0


def _train(
    result: Result, state: State, batches: Batches, valid_batches: Batches, folder: RunFolder | None, hooks: Hooks
) -> None:
    """Train and evaluate, epoch by epoch; a row is on disk before it is announced."""
    wall_start = time.perf_counter() - result.times.wall
    for epoch in range(len(result.epochs), result.recipe.total_epoch):
        row = _epoch(result.recipe, state, batches, valid_batches, epoch, hooks)
        result.epochs.append(row)
        result.times.train += row.train_time
        result.times.evaluate += row.valid_time
        if folder:
            folder.append_epoch(row)
        stop = hooks.on_epoch(row)
        result.times.wall = time.perf_counter() - wall_start
        done = epoch + 1
        if folder and done < result.recipe.total_epoch and done % result.settings["checkpoint_every"] == 0:
            save_checkpoint(folder, state, done, result.times)
        if stop:
            return


def _epoch(
    recipe: Recipe, state: State, batches: Batches, valid_batches: Batches, epoch: int, hooks: Hooks
) -> EpochRow:
    def lr_at(step: int) -> float:  # for the mean loss
        passed = epoch + (step + 1) / len(batches)
        return learning_rate(passed, recipe.peak_lr, recipe.peak_epoch, recipe.total_epoch)

    began = time.perf_counter()
    train_loss, train_acc = train_epoch(
        state,
        batches.epoch(epoch),
        lr=lambda step: lr_at(step) / recipe.batch_size,
        label_smoothing=recipe.label_smoothing,
        progress=lambda step: hooks.progress(epoch, step),
    )
    trained = time.perf_counter()
    valid_loss, valid_acc = evaluate(state, valid_batches.epoch())
    ended = time.perf_counter()
    if not math.isfinite(valid_loss):
        raise Diverged
    return EpochRow(
        epoch=epoch + 1,
        lr=lr_at(len(batches) - 1),
        train_time=trained - began,
        train_loss=train_loss,
        train_acc=train_acc,
        valid_time=ended - trained,
        valid_loss=valid_loss,
        valid_acc=valid_acc,
    )


@contextmanager
def _memory_explained(recipe: Recipe, device: torch.device) -> Iterator[None]:
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        text = str(error).lower()
        if isinstance(error, RuntimeError) and not ("out of memory" in text or "can't allocate memory" in text):
            raise
        raise TrainError(
            f"out of memory on {device} with batch_size {recipe.batch_size}; ask for a smaller one"
        ) from error
