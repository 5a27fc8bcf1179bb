"""Writes a dataset as CIFAR's python or binary batches, or as a tar.gz of either. 10 classes make CIFAR-10's files, 100
classes CIFAR-100's (five neighbouring classes make a coarse one)."""

import pickle
import tarfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fastcifar.data.dataset import DataError, Dataset, Split
from fastcifar.data.published.layouts import CIFAR10, CIFAR100, Form, Layout
from fastcifar.data.published.parse import COARSE_CLASSES, PIXELS


def write_python(dataset: Dataset, root: str | Path) -> Path:
    """Writes the python batches (pickles of protocol 2) into their folder under `root`; returns that folder."""
    layout = _layout(dataset)
    form = layout.forms[0]
    folder = _folder(root, form)
    names: dict[str, Any] = {layout.names_key: list(dataset.classes)}
    if layout is CIFAR100:
        names["coarse_label_names"] = _coarse_names()
    (folder / form.names_file).write_bytes(pickle.dumps(names, protocol=2))
    for name, split in _parts(dataset, form):
        batch: dict[str, Any] = {"data": _planes(split), layout.label_key: split.labels.tolist(), "batch_label": name}
        if layout is CIFAR100:
            batch["coarse_labels"] = _coarse(split.labels).tolist()
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    return folder


def write_binary(dataset: Dataset, root: str | Path) -> Path:
    """Writes the binary batches into their folder under `root`; returns that folder."""
    layout = _layout(dataset)
    form = layout.forms[1]
    folder = _folder(root, form)
    (folder / form.names_file).write_text("".join(f"{name}\n" for name in dataset.classes), encoding="utf-8")
    if layout is CIFAR100:
        (folder / "coarse_label_names.txt").write_text(
            "".join(f"{name}\n" for name in _coarse_names()), encoding="utf-8"
        )
    for name, split in _parts(dataset, form):
        labels = [split.labels] if layout is CIFAR10 else [_coarse(split.labels), split.labels]
        columns = [label[:, None].astype(np.uint8) for label in labels]
        (folder / name).write_bytes(np.concatenate([*columns, _planes(split)], axis=1).tobytes())
    return folder


def write_archive(dataset: Dataset, root: str | Path, format: Literal["python", "binary"] = "python") -> Path:
    """Writes the tar.gz of either format into `root`, with its folder beside it; returns the archive.

    It is packed with the least compression, for speed.
    """
    write = write_python if format == "python" else write_binary
    folder = write(dataset, root)
    form = next(form for form in _layout(dataset).forms if form.format == format)
    archive = Path(root) / form.archive.file_name
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(folder, arcname=form.folder)
    return archive


def _layout(dataset: Dataset) -> Layout:
    for layout in (CIFAR10, CIFAR100):
        if len(layout.classes) == len(dataset.classes):
            return layout
    raise DataError(f"CIFAR's files hold 10 or 100 classes, not the {len(dataset.classes)} of {dataset.name}")


def _folder(root: str | Path, form: Form) -> Path:
    folder = Path(root) / form.folder
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _parts(dataset: Dataset, form: Form) -> list[tuple[str, Split]]:
    """The file names, each with its share of the images."""
    number, size = len(form.train_files), len(dataset.train.labels)
    if size % number:
        raise DataError(f"{form.folder}: expected a number of training images that {number} divides, found {size}")
    starts = [size // number * index for index in range(number)]
    train = [
        Split(images=dataset.train.images[start:end], labels=dataset.train.labels[start:end])
        for start, end in zip(starts, [*starts[1:], size], strict=True)
    ]
    return [*zip(form.train_files, train, strict=True), (form.test_file, dataset.test)]


def _planes(split: Split) -> np.ndarray:
    """Images (n, 32, 32, 3) -> (n, 3072): red, then green, then blue."""
    return np.ascontiguousarray(split.images.transpose(0, 3, 1, 2)).reshape(-1, PIXELS)


def _coarse(labels: np.ndarray) -> np.ndarray:
    return labels // (100 // COARSE_CLASSES)


def _coarse_names() -> list[str]:
    return [f"coarse_{number:02d}" for number in range(COARSE_CLASSES)]
