"""Turns the bytes of one batch file into arrays. Errors say what was expected and found; the caller names the file."""

from typing import Any

import numpy as np

from fastcifar.data.dataset import DataError
from fastcifar.data.published.layouts import Form, Layout
from fastcifar.data.published.pickles import BadPickle, load_plain

PIXELS = 3072  # bytes per image: 1024 red, then 1024 green, then 1024 blue
COARSE_CLASSES = 20


def parse_batch(content: bytes, form: Form, layout: Layout, count: int) -> tuple[np.ndarray, np.ndarray]:
    """One batch file of `count` images -> planes (count, 3072) uint8, labels (count,) int64. Raises `DataError`."""
    parse = _parse_python if form.format == "python" else _parse_binary
    planes, labels = parse(content, layout, count)
    _check_range(labels, len(layout.classes), "labels")
    return planes, labels


def parse_names(content: bytes, form: Form, layout: Layout) -> tuple[str, ...]:
    """The class names in a names file, label order. Raises `DataError`."""
    if form.format == "python":
        names = _pickle(content, "class names", len(layout.classes)).get(layout.names_key)
        if not isinstance(names, list) or not all(isinstance(name, (str, bytes)) for name in names):
            raise DataError(f"expected a list of class names under {layout.names_key!r}, found {type(names).__name__}")
        names = [name.decode("latin1") if isinstance(name, bytes) else name for name in names]
    else:
        names = content.decode("latin1").split()
    if len(names) != len(layout.classes):
        raise DataError(f"expected {len(layout.classes)} class names, found {len(names)}")
    return tuple(names)


def _pickle(content: bytes, what: str, items: int) -> dict[str, Any]:
    try:
        return load_plain(content, items)
    except BadPickle as error:
        raise DataError(f"expected a pickle of {what}, found this: {error}") from None


def _parse_python(content: bytes, layout: Layout, count: int) -> tuple[np.ndarray, np.ndarray]:
    batch = _pickle(content, f"a {layout.title} batch", count)
    if layout.label_key not in batch or "data" not in batch:
        raise DataError(f"expected {layout.title}, with 'data' and {layout.label_key!r}, found {_describe(batch)}")
    data, labels = batch["data"], _label_array(batch[layout.label_key], layout.label_key)
    if not isinstance(data, np.ndarray):
        raise DataError(f"expected an array under 'data', found a {type(data).__name__}")
    if data.shape != (count, PIXELS) or data.dtype != np.uint8:
        found = f"{data.dtype} {data.shape}"
        raise DataError(f"expected {count} images, uint8 {(count, PIXELS)}, under 'data', found {found}")
    if len(labels) != count:
        raise DataError(f"expected {count} labels, found {len(labels)}")
    return data, labels


def _describe(batch: dict[str, Any]) -> str:
    keys = ", ".join(key[:25] for key in sorted(batch)[:8])
    keys = "".join(letter if letter.isprintable() else "?" for letter in keys)
    if "fine_labels" in batch:
        return f"what looks like CIFAR-100 (it has {keys})"
    if "labels" in batch:
        return f"what looks like CIFAR-10 (it has {keys})"
    return f"a dict of {keys or 'nothing'}"


def _label_array(labels: Any, key: str) -> np.ndarray:
    if isinstance(labels, np.ndarray) and labels.ndim == 1:
        labels = labels.tolist()
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise DataError(f"expected a list of whole numbers under {key!r}, found something else")
    try:
        return np.array(labels, dtype=np.int64)
    except OverflowError:
        raise DataError(f"expected labels of a few classes under {key!r}, found a number beyond 64 bits") from None


def _parse_binary(content: bytes, layout: Layout, count: int) -> tuple[np.ndarray, np.ndarray]:
    record = layout.label_bytes + PIXELS
    if len(content) != count * record:
        raise DataError(
            f"expected {count} images of {layout.title}, {count * record} bytes ({record} each), "
            f"found {len(content)} bytes"
        )
    records = np.frombuffer(content, dtype=np.uint8).reshape(count, record)
    if layout.label_bytes == 2:
        _check_range(records[:, 0], COARSE_CLASSES, "coarse labels")
    return records[:, layout.label_bytes :], records[:, layout.label_bytes - 1].astype(np.int64)


def _check_range(labels: np.ndarray, num_classes: int, what: str) -> None:
    wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(wrong):
        raise DataError(f"expected {what} from 0 to {num_classes - 1}, found {labels[wrong[0]]} at image {wrong[0]}")
