"""From epoch to epoch: where a training begins, its learning rate, its row and its times.

A run (`train.session`) and a supernet (`supernet.training`) use these.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from fastcifar.train.optim.schedule import learning_rate
from fastcifar.train.recipe.recipe import Recipe
from fastcifar.train.record import checkpoint
from fastcifar.train.record.record import RecordError, RunFolder
from fastcifar.train.result import Times
from fastcifar.train.table import EpochRow

Part = Callable[[], tuple[float, float]]  # a part of an epoch -> mean loss and accuracy, a share of 1


def begin_after(folder: RunFolder | None, identity: Mapping[str, str], rows: Sequence[EpochRow]) -> tuple[int, Times]:
    """The epochs done at the checkpoint in `folder` and the times up to it: 0 and zeros where there is none.

    identity: metadata of the training (see `record.identity`). rows: read from its epochs.csv.
    Raises RecordError for a damaged checkpoint, one of another training, and one that is ahead of the rows.
    """
    place = None if folder is None else checkpoint.place(folder, identity)
    if folder is None or place is None:
        return 0, Times()
    if len(rows) < place[0]:
        raise RecordError(f"{folder.path}: the checkpoint is of epoch {place[0]}, epochs.csv is shorter")
    return place


def rate_after(recipe: Recipe, epochs: float) -> float:
    """The recipe's learning rate, for the mean loss, after so many epochs."""
    rates = recipe.peak_lr, recipe.peak_epoch, recipe.total_epoch, recipe.lr_start, recipe.lr_end
    return learning_rate(epochs, *rates)


def step_rate(recipe: Recipe, epoch: int, step: int, steps: int) -> float:
    """The learning rate, for the summed loss, of a step. epoch, step: from 0. steps: of an epoch."""
    return rate_after(recipe, epoch + (step + 1) / steps) / recipe.batch_size


def timed_epoch(recipe: Recipe, epoch: int, train: Part, validate: Part) -> EpochRow:
    """Do the two parts of an epoch (from 0); return its row.

    Both parts wait for the device before they return, as reading a loss from it does. What they raise passes through.
    """
    began = time.perf_counter()
    train_loss, train_acc = train()
    trained = time.perf_counter()
    valid_loss, valid_acc = validate()
    ended = time.perf_counter()
    return EpochRow(
        epoch=epoch + 1,
        lr=rate_after(recipe, epoch + 1),
        train_time=trained - began,
        train_loss=train_loss,
        train_acc=train_acc,
        valid_time=ended - trained,
        valid_loss=valid_loss,
        valid_acc=valid_acc,
    )


def count_times(times: Times, rows: Sequence[EpochRow], began: float) -> None:
    """Bring `times` up to now. rows: of the epochs done. began: reading of time.perf_counter."""
    times.train = sum(row.train_time for row in rows)
    times.evaluate = sum(row.valid_time for row in rows)
    times.wall = time.perf_counter() - began
