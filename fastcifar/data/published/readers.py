"""Reads a dataset from any of its four forms, and checks that it is complete."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from fastcifar.data.dataset import IMAGE_SHAPE, DataError, Dataset, Split, fingerprint
from fastcifar.data.published.contents import from_archive, from_folder
from fastcifar.data.published.layouts import Layout
from fastcifar.data.published.parse import PIXELS, parse_batch, parse_names
from fastcifar.data.published.places import Place


def read_dataset(place: Place, layout: Layout) -> Dataset:
    """Reads the dataset at `place`, which must hold all files of `layout`.

    Raises `DataError` with the file's name, what was expected and what was found.
    """
    slots, splits = _empty_splits(place, layout)
    classes = layout.classes
    # Hashing and copying let other threads run, so they go on beside the parsing.
    with ThreadPoolExecutor(1) as pool:
        sums: dict[str, Future[str]] = {}
        filled: list[Future[None]] = []
        if place.packed and not place.form.file_md5:
            sums["archive"] = pool.submit(_file_md5, place.path)
        for name, content in _files(place, layout):
            if name in place.form.file_md5:
                sums[name] = pool.submit(_md5, content)
            try:
                if name == place.form.names_file:
                    classes = parse_names(content, place.form, layout)
                    continue
                slot = slots[name]
                planes, slot.labels[:] = parse_batch(content, place.form, layout, len(slot.labels))
            except DataError as error:
                raise DataError(f"{_label(place, name)}: {error}") from None
            filled.append(pool.submit(_fill, slot.images, planes))
        for future in filled:
            future.result()  # raises what went wrong there
        canonical = _is_canonical(place, {name: future.result() for name, future in sums.items()})
    for title, split in splits.items():
        _check_classes(f"{place.path} ({title})", split, classes)
    return Dataset(
        name=layout.name,
        train=splits["train"],
        test=splits["test"],
        classes=classes,
        fingerprint=fingerprint(splits["train"], splits["test"]),
        canonical=canonical,
        source=str(place.path),
    )


def _empty_splits(place: Place, layout: Layout) -> tuple[dict[str, Split], dict[str, Split]]:
    """(file name -> its part of a split, 'train' and 'test' -> split), still to be filled."""
    sizes = {"train": layout.train_images, "test": layout.test_images}
    splits = {
        title: Split(images=np.empty((size, *IMAGE_SHAPE), np.uint8), labels=np.empty(size, np.int64))
        for title, size in sizes.items()
    }
    slots = {place.form.test_file: splits["test"]}
    start = 0
    for name in place.form.train_files:
        end = start + layout.counts(place.form)[name]
        slots[name] = Split(images=splits["train"].images[start:end], labels=splits["train"].labels[start:end])
        start = end
    return slots, splits


def _files(place: Place, layout: Layout) -> Iterator[tuple[str, bytes]]:
    # Python 3 writes bytes in protocol 2 as text, where half of the values take two bytes.
    per_image = 2 * PIXELS + 1024 if place.form.format == "python" else PIXELS + layout.label_bytes
    limits = {name: count * per_image + (1 << 20) for name, count in layout.counts(place.form).items()}
    limits[place.form.names_file] = 1 << 20
    read = from_archive if place.packed else from_folder
    return read(place.path, limits, optional=place.form.names_file)


def _fill(images: np.ndarray, planes: np.ndarray) -> None:
    """Puts planes (n, 3072), red then green then blue, into images (n, 32, 32, 3)."""
    pixels = images.reshape(len(planes), PIXELS // 3, 3)
    for start in range(0, len(planes), 128):  # few at a time, which stay in the processor's cache
        for channel in range(3):
            plane = planes[start : start + 128, channel * 1024 : (channel + 1) * 1024]
            pixels[start : start + 128, :, channel] = plane


def _is_canonical(place: Place, sums: dict[str, str]) -> bool:
    if place.form.file_md5:
        return sums == dict(place.form.file_md5)
    return sums.get("archive") == place.form.archive.md5


def _check_classes(label: str, split: Split, classes: tuple[str, ...]) -> None:
    missing = np.flatnonzero(np.bincount(split.labels, minlength=len(classes)) == 0)
    if len(missing):
        name = classes[missing[0]]
        raise DataError(f"{label}: expected images of all {len(classes)} classes, found none of {missing[0]} ({name})")


def _label(place: Place, name: str) -> str:
    return f"{place.path}: {name}" if place.packed else str(place.path / name)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _file_md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
