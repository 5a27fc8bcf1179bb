"""Train a supernet; resume it from its last epoch; load it."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastcifar.data import Dataset, derived_seed, load, num_classes
from fastcifar.experiment.objectives.training.space_check import check_space
from fastcifar.machine import check_threads
from fastcifar.stopping import gently
from fastcifar.supernet.material import Material, supernet_images
from fastcifar.supernet.methods import distils, drawn
from fastcifar.supernet.plan import SupernetPlan
from fastcifar.supernet.predict.scoring import scores
from fastcifar.supernet.rates import activation_rates
from fastcifar.supernet.record import FILE, Record, identity, read_record
from fastcifar.supernet.start import start_from
from fastcifar.supernet.supernet import Supernet
from fastcifar.supernet.update import gradients, update
from fastcifar.train import EpochRow, Hooks, RecordError, resolve_device
from fastcifar.train.device import keep_memory, kernels, synchronize
from fastcifar.train.images import dataset_record
from fastcifar.train.record import checkpoint
from fastcifar.train.record.ending import ending
from fastcifar.train.record.provenance import provenance
from fastcifar.train.record.record import RunFolder
from fastcifar.train.step.epoch import begin_after, count_times, step_rate, timed_epoch
from fastcifar.train.step.loop import run_steps
from fastcifar.train.step.precision import resolve_precision
from fastcifar.train.step.ways import resolve_step, resumed_step
from fastcifar.train.threads import kept_threads, using_threads
from fastcifar.train.watch import watched

CHECKED = 1000  # images of the holdout on which the full network is scored after each epoch


def train_supernet(
    plan: SupernetPlan,
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
    """Train the networks of `plan` in one set of weights, on the training images without the holdout.

    device, step, deterministic, threads: as for `train`; a supernet runs eager or fused.
    init: the folder of a run or a supernet; the training starts from its weights.
    out: the folder in which the supernet's folder is made; None writes nothing to disk.
    hooks: `on_epoch`, whose answer is ignored, and `progress`. on_start: called once, before the first epoch.
    KeyboardInterrupt is recorded and raised again. Raises ValueError for arguments that do not fit together and for a
    key of the space without an effect, before anything is written; RecordError where `out` cannot be written or `init`
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


def _new_record(plan: SupernetPlan, images: Dataset, device: torch.device, settings: dict[str, Any]) -> Record:
    """The record of a new training. Raises ValueError where the images do not fit the plan."""
    return Record(
        plan=plan,
        settings=settings,
        dataset=dataset_record(images, supernet_images(plan, images)),
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
    """Resume the supernet in the folder `path` from its last epoch, with its number of threads.

    It ends as it would have without the interruption. Raises RecordError where it has ended, or another process is at
    work on it; ValueError for other images.
    """
    read_record(path)  # raises before the lock is written to a folder that is no supernet's
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
    """The trained supernet in the folder `path`, in fp32 if `device` is of another kind than it was trained on.

    device: by default the one that it was trained on, or the CPU if that was a GPU and there is none.
    Raises RecordError where there is no supernet, or it is not finished.
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
    """The kind of device that a supernet was trained on: cpu or cuda."""
    return str(record.settings["device"]).partition(":")[0]


def build(record: Record) -> Supernet:
    """The supernet of a record, before its weights are set."""
    device = resolve_device(record.settings["device"])
    if device.type == "cpu":
        keep_memory()
    precision, step = resolve_precision(record.precision, device), resumed_step(record.settings, device)
    return Supernet(record.plan.choices, num_classes(record.plan.recipe.dataset), device, precision, step)


class _Training:
    """Trains a supernet whose weights are set, from its checkpoint if it has one."""

    def __init__(
        self, record: Record, supernet: Supernet, dataset: Dataset, folder: RunFolder | None, hooks: Hooks
    ) -> None:
        self.record, self.plan, self.supernet, self.folder, self.hooks = record, record.plan, supernet, folder, hooks
        self.recipe = record.plan.recipe
        self.material = Material(record, dataset, supernet)
        self.epochs_done, before = begin_after(folder, identity(record), record.epochs)
        self.began = time.perf_counter() - before.wall
        if folder and self.epochs_done:
            checkpoint.load(folder, supernet.state, identity(record))
        record.epochs = record.epochs[: self.epochs_done]
        count_times(record.times, record.epochs, self.began)

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
        """Train epoch by epoch; a row is on disk before `on_epoch` is called."""
        factors = activation_rates(self.plan.choices, self.supernet.num_classes, self.plan.rates)
        if factors is not None:
            factors = {path: factor.to(self.supernet.device) for path, factor in factors.items()}
        calibration, valid = self.material.calibration(), self.material.valid(CHECKED)
        check = partial(self.check, calibration, valid)
        for epoch in range(self.epochs_done, self.recipe.total_epoch):
            row = timed_epoch(self.recipe, epoch, partial(self.train_epoch, epoch, factors), check)
            self.announce(row)

    def train_epoch(self, epoch: int, factors: Mapping[str, Tensor] | None) -> tuple[float, float]:
        """Train on all batches; return mean loss and accuracy of the first network of each step."""
        batches, plan = self.material.batches, self.plan

        def step(number: int, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
            recipes = drawn(plan.choices, plan.method, plan.seed, epoch * len(batches) + number)
            members = [self.supernet.member(recipe) for recipe in recipes]
            distil = distils(plan.method)
            logits, loss = gradients(self.supernet, members, images, labels, self.recipe.label_smoothing, distil)
            update(self.supernet, members, step_rate(self.recipe, epoch, number, len(batches)), factors)
            return loss, (logits.argmax(1) == labels).sum()

        steps = watched(batches.epoch(epoch), self.folder)
        found = run_steps(steps, step, lambda number: self.hooks.progress(epoch, number))
        synchronize(self.supernet.device)  # the last update comes after the last loss
        return found

    def check(self, calibration: list[Tensor], valid: list[tuple[Tensor, Tensor]]) -> tuple[float, float]:
        """Loss and accuracy of the full network on a part of the holdout.

        An infinite loss does not end the training: `fair` and `uniform` train parts of the full network, and hardly
        ever all of it.
        """
        (score,) = scores(self.supernet, [self.plan.choices.full], calibration, valid)
        return score.loss, score.accuracy

    def announce(self, row: EpochRow) -> None:
        """Write a row and the checkpoint after it, then call `on_epoch`."""
        record = self.record
        record.epochs = [*record.epochs, row]
        self.epochs_done = row.epoch
        count_times(record.times, record.epochs, self.began)
        if self.folder:
            self.folder.write_epochs(record.epochs)
            checkpoint.save(self.folder, self.supernet.state, row.epoch, record.times, identity(record))
        self.hooks.on_epoch(row)

    def write(self) -> None:
        if self.folder:
            self.folder.write_json(self.record.to_dict(), FILE)
