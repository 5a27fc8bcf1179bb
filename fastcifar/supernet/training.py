"""The training of a supernet, from the images to its end; one that was interrupted goes on from its last epoch."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fastcifar.data import Dataset, derived_seed, load, num_classes
from fastcifar.experiment.objectives.training.space_check import check_space
from fastcifar.machine import check_threads
from fastcifar.stopping import gently
from fastcifar.supernet.material import Material, check_images
from fastcifar.supernet.methods import distils, drawn
from fastcifar.supernet.plan import Plan
from fastcifar.supernet.predict.scoring import scores
from fastcifar.supernet.rates import rate_factors
from fastcifar.supernet.record import FILE, Record, identity, read_record
from fastcifar.supernet.start import start_from
from fastcifar.supernet.supernet import Supernet
from fastcifar.supernet.update import gradients, update
from fastcifar.train import EpochRow, Hooks, RecordError, Times, resolve_device
from fastcifar.train.device import keep_memory, kernels, synchronize
from fastcifar.train.record import checkpoint
from fastcifar.train.record.ending import ending
from fastcifar.train.record.provenance import provenance
from fastcifar.train.record.record import RunFolder
from fastcifar.train.session import rate_at
from fastcifar.train.step.loop import Diverged
from fastcifar.train.step.precision import resolve_precision
from fastcifar.train.step.ways import resolve_step, resumed_step
from fastcifar.train.threads import kept_threads, using_threads
from fastcifar.train.watch import watched

CHECKED = 1000  # images of the holdout on which the full network is looked at after each epoch


def train_supernet(
    plan: Plan,
    dataset: Dataset | None = None,
    *,
    device: str = "auto",
    step: str = "auto",
    deterministic: bool = False,
    init: str | Path | None = None,
    threads: int | None = None,
    out: str | Path | None = None,
    name: str = "supernet",
    hooks: Hooks = Hooks(),  # noqa: B008  frozen
    on_start: Callable[[Record], None] = lambda record: None,
) -> tuple[Supernet, Record]:
    """Train the networks of `plan` in one set of weights, on the training images less the holdout.

    device, step, deterministic, threads: as for `train`; a supernet runs eager or fused.
    init: a run's or a supernet's folder, whose weights are started from.
    out: folder to make the supernet's folder in; None keeps nothing on disk.
    hooks: `on_epoch`, whose answer counts for nothing, and `progress`. on_start: called once, before the first epoch.
    KeyboardInterrupt is recorded and raised again. Raises ValueError for arguments that do not fit together and for a
    key of the space that does nothing, before anything is kept; RecordError where `out` cannot be written or `init`
    cannot be read.
    """
    where = resolve_device(device)
    check_threads(threads)
    check_space(plan.choices.of, plan.choices.space, alone=False)
    images = load(plan.recipe.dataset) if dataset is None else dataset
    settings = {
        "device": str(where),
        "step": resolve_step(step, where),
        "step_asked": step,
        "deterministic": deterministic,
        "init": None if init is None else str(Path(init).absolute()),
        "threads": threads or torch.get_num_threads(),
    }
    record = _new_record(plan, images, where, settings)
    supernet = build(record)
    supernet.init(derived_seed(plan.seed, "weights"))
    if init is not None:
        start_from(supernet, Path(init))
    if out is None:
        return supernet, _Training(record, supernet, images, None, hooks).run(on_start)
    bytes_needed = 20 * sum(weight.numel() for weight in supernet.shared.values()) + 200_000
    folder = RunFolder.create(Path(out), name, bytes_needed)
    record.path = str(folder.path)
    with folder.locked():
        return supernet, _Training(record, supernet, images, folder, hooks).run(on_start)


def _new_record(plan: Plan, images: Dataset, device: torch.device, settings: dict[str, Any]) -> Record:
    """The record of a training that is to begin. Raises ValueError where the images do not do for the plan."""
    train_split, valid_split = check_images(plan, images)
    return Record(
        plan=plan,
        settings=settings,
        dataset={
            "name": images.name,
            "fingerprint": images.fingerprint,
            "canonical": images.canonical,
            "train_images": len(train_split.labels),
            "valid_images": len(valid_split.labels),
        },
        provenance=provenance(device, settings["threads"]),
        precision=resolve_precision(plan.recipe.precision, device).name,
    )


def resume_supernet(
    path: str | Path,
    dataset: Dataset | None = None,
    *,
    hooks: Hooks = Hooks(),  # noqa: B008  frozen
    on_start: Callable[[Record], None] = lambda record: None,
) -> tuple[Supernet, Record]:
    """Go on with the supernet in the folder `path` from its last epoch, to the same end, with its number of threads.

    Raises RecordError where it has ended, or another process is at work on it; ValueError for other images.
    """
    read_record(path)  # a folder that is no supernet's is left as it is
    folder = RunFolder(Path(path))
    with folder.locked():
        record = read_record(path)
        if record.status in ("finished", "diverged"):
            raise RecordError(f"{path}: the supernet has ended ({record.status}); there is nothing to resume")
        images = load(record.plan.recipe.dataset) if dataset is None else dataset
        supernet = build(record)
        supernet.init(derived_seed(record.plan.seed, "weights"))
        if record.settings["init"] is not None and checkpoint.place(folder, identity(record)) is None:
            start_from(supernet, Path(record.settings["init"]))
        threads, _ = kept_threads(record.settings.get("threads", record.threads))
        record.provenance["threads"] = threads
        record.status, record.message = "running", ""
        return supernet, _Training(record, supernet, images, folder, hooks).run(on_start)


def load_supernet(path: str | Path, device: str | None = None) -> tuple[Supernet, Record]:
    """The trained supernet in the folder `path`; where `device` is of another kind than its own, in fp32.

    device: by default its own, or the CPU where that is a GPU and none is here. Raises RecordError where there is no
    supernet, or it is not finished.
    """
    record = read_record(path)
    if record.status == "diverged":
        raise RecordError(f"{path}: the supernet has diverged: {record.message}")
    if record.status != "finished":
        raise RecordError(f"{path}: the supernet is {record.status}, not finished; fastcifar supernet train --resume")
    if device is None and resolve_type(record) == "cuda" and not torch.cuda.is_available():
        device = "cpu"
    if device is None or resolve_device(device).type == resolve_type(record):
        record.settings["device"] = record.settings["device"] if device is None else str(resolve_device(device))
        supernet = build(record)
        checkpoint.load(RunFolder(Path(path)), supernet.state, identity(record))
        return supernet, record
    where = resolve_device(device)
    record.precision, record.settings = (
        "O0",
        record.settings | {"device": str(where), "step": resolve_step("auto", where)},
    )
    supernet = build(record)
    start_from(supernet, path)
    return supernet, record


def resolve_type(record: Record) -> str:
    """The kind of device that a supernet was trained on."""
    return str(record.settings["device"]).partition(":")[0]


def build(record: Record) -> Supernet:
    """The supernet of a record, its weights not yet set."""
    device = resolve_device(record.settings["device"])
    if device.type == "cpu":
        keep_memory()
    precision, step = resolve_precision(record.precision, device), resumed_step(record.settings, device)
    return Supernet(record.plan.choices, num_classes(record.plan.recipe.dataset), device, precision, step)


class _Training:
    """Takes a supernet whose weights are set to its end, or to what ends it."""

    def __init__(
        self, record: Record, supernet: Supernet, dataset: Dataset, folder: RunFolder | None, hooks: Hooks
    ) -> None:
        self.record, self.plan, self.supernet, self.folder, self.hooks = record, record.plan, supernet, folder, hooks
        self.recipe = record.plan.recipe
        self.material = Material(record, dataset, supernet)
        self.epochs_done, before = (checkpoint.place(folder, identity(record)) if folder else None) or (0, Times())
        self.began = time.perf_counter() - before.wall
        if folder and self.epochs_done:
            checkpoint.load(folder, supernet.state, identity(record))
        if len(record.epochs) < self.epochs_done:
            raise RecordError(f"{record.path}: the checkpoint is of epoch {self.epochs_done}, epochs.csv is shorter")
        record.epochs = record.epochs[: self.epochs_done]
        self.count_times()

    def run(self, on_start: Callable[[Record], None]) -> Record:
        record = self.record
        self.write()
        with ending(record, lambda: self.epochs_done, self.write), using_threads(record.threads):
            on_start(record)
            with kernels(self.supernet.device, record.settings["deterministic"], by_trial=False), gently():
                self.train()
            record.status = "finished"
        return record

    def train(self) -> None:
        """Epoch by epoch; a row is on disk before it is announced."""
        factors = rate_factors(self.plan.choices, self.supernet.num_classes, self.plan.rates)
        if factors is not None:
            factors = {path: factor.to(self.supernet.device) for path, factor in factors.items()}
        calibration, valid = self.material.calibration(), self.material.valid(CHECKED)
        for epoch in range(self.epochs_done, self.recipe.total_epoch):
            began = time.perf_counter()
            loss, accuracy = self.epoch(epoch, factors)
            synchronize(self.supernet.device)
            trained = time.perf_counter()
            (score,) = scores(self.supernet, [self.plan.choices.full], calibration, valid)
            row = EpochRow(
                epoch=epoch + 1,
                lr=rate_at(self.recipe, epoch + 1),
                train_time=trained - began,
                train_loss=loss,
                train_acc=accuracy,
                valid_time=time.perf_counter() - trained,
                valid_loss=score.loss,
                valid_acc=score.accuracy,
            )
            self.announce(row)

    def epoch(self, epoch: int, factors: dict[str, torch.Tensor] | None) -> tuple[float, float]:
        """One pass over the training images; mean loss and accuracy of the first network of each step."""
        batches = self.material.batches
        losses, correct = [], []
        for step, (images, labels) in enumerate(watched(batches.epoch(epoch), self.folder)):
            recipes = drawn(self.plan.choices, self.plan.method, self.plan.seed, epoch * len(batches) + step)
            members = [self.supernet.member(recipe) for recipe in recipes]
            distil = distils(self.plan.method)
            logits, loss = gradients(self.supernet, members, images, labels, self.recipe.label_smoothing, distil)
            lr = rate_at(self.recipe, epoch + (step + 1) / len(batches))
            update(self.supernet, members, lr / self.recipe.batch_size, factors)
            losses.append(loss)
            correct.append((logits.argmax(1) == labels).sum())
            if loss.device.type == "cpu" and not torch.isfinite(loss):  # a GPU is not waited for
                raise Diverged
            self.hooks.progress(epoch, step)
        images_seen = len(batches) * self.recipe.batch_size
        mean_loss = float(torch.stack(losses).double().sum()) / images_seen
        if not math.isfinite(mean_loss):
            raise Diverged
        return mean_loss, int(torch.stack(correct).sum()) / images_seen

    def announce(self, row: EpochRow) -> None:
        """Keep a row, and the weights after it, then tell of it."""
        record = self.record
        record.epochs = [*record.epochs, row]
        self.epochs_done = row.epoch
        self.count_times()
        if self.folder:
            self.folder.write_epochs(record.epochs)
            checkpoint.save(self.folder, self.supernet.state, row.epoch, record.times, identity(record))
        self.hooks.on_epoch(row)

    def count_times(self) -> None:
        """Bring the times up to now."""
        rows, times = self.record.epochs, self.record.times
        times.train = sum(row.train_time for row in rows)
        times.evaluate = sum(row.valid_time for row in rows)
        times.wall = time.perf_counter() - self.began

    def write(self) -> None:
        if self.folder:
            self.folder.write_json(self.record.to_dict(), FILE)
