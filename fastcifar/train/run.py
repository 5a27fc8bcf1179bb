"""One run: a recipe, a dataset and a seed in; a table, a record and weights out."""

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict

import torch

from fastcifar.data import Dataset, Split, load
from fastcifar.machine import check_threads
from fastcifar.net import Network
from fastcifar.train.build import describe_network, rate_factors
from fastcifar.train.device import resolve_device
from fastcifar.train.images import check_same_images, dataset_record, split_images
from fastcifar.train.recipe.changes import changed_fields
from fastcifar.train.recipe.errors import RecipeError
from fastcifar.train.recipe.named import find_recipe
from fastcifar.train.recipe.recipe import Recipe
from fastcifar.train.record.guarded import DATASET, SETTINGS, as_record, check_keys
from fastcifar.train.record.provenance import provenance
from fastcifar.train.record.record import RecordError, RunFolder, save_drawing
from fastcifar.train.result import Result
from fastcifar.train.session import Hooks, Session
from fastcifar.train.start import check_weights
from fastcifar.train.step.precision import resolve_precision
from fastcifar.train.step.ways import resolve_step, resumed_step
from fastcifar.train.threads import kept_threads
from fastcifar.train.work import training_flops
from fastcifar.typed import check_types


class RunSettings(TypedDict, total=False):
    """The arguments of `train` that many runs have in common."""

    device: str
    split: str
    deterministic: bool
    step: str
    init: str | Path | None
    out: str | Path | None
    checkpoint_every: int | None
    group: Mapping[str, str] | None
    threads: int | None


def train(
    recipe: Recipe,
    dataset: Dataset | None = None,
    seed: int = 0,
    *,
    device: str = "auto",
    split: str = "test",
    report_test: bool = False,
    deterministic: bool = False,
    step: str = "auto",
    init: str | Path | None = None,
    out: str | Path | None = None,
    name: str = "run",
    source: str | None = None,
    checkpoint_every: int | None = None,
    group: Mapping[str, str] | None = None,
    threads: int | None = None,
    hooks: Hooks = Hooks(),  # noqa: B008  frozen
) -> Result:
    """Train `recipe` once and return its result; the same arguments give the same figures, see `deterministic`.

    dataset: what `load(recipe.dataset)` returns, which is also the default.
    seed: decides weights, order and augmentation.
    device: auto, cpu, cuda or cuda:N.
    split: `test` trains on all training images and validates on test; `holdout` keeps 5,000 of them for validation.
    report_test: look at the test images once, after the last epoch; the result's `test_acc`.
    deterministic: on a GPU, choose only kernels that repeat themselves (on a CPU they do anyway).
    step: eager, fused (kernels for a CPU), captured (CUDA graphs), compiled (by torch), compiled-captured or auto:
        fused where it can be had, else eager.
    init: a run's folder, or a safetensors file, whose weights and statistics are started from.
    out: folder to make the run's folder in (see `record`); None keeps nothing on disk.
    name: of the recipe, for the record and the folder. source: the named recipe or the JSON file that `recipe` was made
        from, for the record, which says what was changed; by default the recipe called `name`, if there is one.
    checkpoint_every: epochs between checkpoints; by default 1 on a CPU and 8 on a GPU.
    group: for the record: the comparison or series that the run belongs to (see `train.group`).
    threads: that torch computes with during the run, after which it has its own number again; None leaves that alone.
        On a CPU another number gives slightly other figures.

    A loss that is not finite ends the run with the status `diverged`; KeyboardInterrupt is recorded and raised again.
    Raises ValueError for arguments that do not fit together, before anything is kept; RecordError (a ValueError) where
    `init` has other weights or `out` cannot be written; TrainError where memory runs out.
    """
    began = time.perf_counter()
    where = resolve_device(device)
    check_threads(threads)
    if dataset is None:
        dataset = load(recipe.dataset)
    network, images = check_run(recipe, dataset, split=split, init=init, checkpoint_every=checkpoint_every)
    if checkpoint_every is None:
        checkpoint_every = 1 if where.type == "cpu" else 8
    result = Result(
        recipe=recipe,
        recipe_name=name,
        recipe_source=str(Path(source).absolute()) if source and source.endswith(".json") else None,
        changes=_changes(recipe, name if source is None else source),
        seed=seed,
        split=split,
        settings={
            "device": str(where),
            "report_test": report_test,
            "deterministic": deterministic,
            "step": resolve_step(step, where),
            "step_asked": step,
            "init": None if init is None else str(Path(init).absolute()),
            "checkpoint_every": checkpoint_every,
            "group": None if group is None else dict(group),
            "threads": threads or torch.get_num_threads(),
        },
        dataset=dataset_record(dataset, images),
        provenance=provenance(where, threads),
        precision=resolve_precision(recipe.precision, where).name,
        parameters=sum(weight.numel() for weight in network.parameters()),
        flops=training_flops(recipe, len(dataset.classes), len(images[0].labels) // recipe.batch_size),
        started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )
    if out is None:
        return Session(result, dataset, images, where, None, hooks, began).run()
    needed = 30 * result.parameters + 200_000  # bytes: weights, two checkpoints (one replaces the other), the rest
    folder = RunFolder.create(Path(out), name, needed)
    with folder.locked():
        result.id, result.path = folder.id, str(folder.path)
        save_drawing(network, folder.path / "network")
        return Session(result, dataset, images, where, folder, hooks, began).run()


def check_run(
    recipe: Recipe,
    dataset: Dataset,
    *,
    split: str = "test",
    init: str | Path | None = None,
    checkpoint_every: int | None = None,
) -> tuple[Network, tuple[Split, Split]]:
    """The network, and the images to train and to validate on. Raises what `train` raises before anything is kept."""
    if checkpoint_every is not None and checkpoint_every < 1:
        raise ValueError(f"checkpoint_every: at least 1 epoch is needed, not {checkpoint_every}")
    images = check_fit(recipe, dataset, split)
    network = describe_network(recipe, len(dataset.classes))
    if init is not None:
        check_weights(network, init)
    return network, images


def _changes(recipe: Recipe, source: str) -> dict[str, Any] | None:
    """What was changed in the recipe at `source`; None where there is no such recipe."""
    with suppress(RecipeError):
        return changed_fields(recipe, find_recipe(source)[1])
    return None


def check_fit(recipe: Recipe, dataset: Dataset, split: str) -> tuple[Split, Split]:
    """The images to train and to validate on. Raises ValueError where the recipe fits not them or not its network."""
    images = split_images(recipe, dataset, split)
    rate_factors(recipe, len(dataset.classes))
    return images


def resume(path: str | Path, dataset: Dataset | None = None, *, hooks: Hooks = Hooks()) -> Result:  # noqa: B008
    """Continue the run in the folder `path` from its last checkpoint, or from its start, to its end.

    It has the threads that it was begun with, or as many as there are cores where those are fewer. On one CPU machine,
    with the same versions and threads, it ends as the run would have without the interruption.
    Raises RecordError where the folder is no run, the run has ended, or another process is at work on it; ValueError
    where the dataset is another one or the run's device is not there.
    """
    began = time.perf_counter()
    folder = RunFolder(Path(path))
    folder.read_json()  # a folder that is no run is left as it is
    with folder.locked():
        result = load_result(path)
        if result.status in ("finished", "stopped", "diverged"):
            raise RecordError(f"{path}: the run has ended ({result.status}); there is nothing to resume")
        if dataset is None:
            dataset = load(result.recipe.dataset)
        check_same_images(path, result.dataset, dataset)
        device = resolve_device(result.settings["device"])
        resumed_step(result.settings, device)
        images = split_images(result.recipe, dataset, result.split)
        threads, _ = kept_threads(result.provenance["threads"])
        result.status, result.message = "running", ""
        result.resumed.append({"at": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **provenance(device, threads)})
        return Session(result, dataset, images, device, folder, hooks, began).run()


def load_result(path: str | Path) -> Result:
    """Read the record of the run in the folder `path`. Raises RecordError where there is none, or it is damaged."""
    folder = RunFolder(Path(path))
    document = folder.read_json()
    with as_record(folder.path / "run.json"):
        result = Result.from_dict(document)
        check_types(result)
        check_types(result.times)
        check_keys(result.dataset, DATASET, "dataset")
        check_keys(result.settings, SETTINGS, "settings")
        check_keys((result.resumed or [result.provenance])[-1], {"threads": int}, "provenance")
    result.id, result.path, result.epochs = folder.id, str(folder.path), folder.read_epochs()
    return result
