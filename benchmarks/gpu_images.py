"""Images for `gpu.py` on a machine that has none: out of one file, or random ones for times only."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from fastcifar.data import synthetic
from fastcifar.data.dataset import Dataset, Split
from fastcifar.data.published.formats import write_python
from fastcifar.data.published.layouts import CIFAR10

TRAIN = 50_000


def unpack(file: Path | None, folder: Path) -> str:
    """Write CIFAR's python batches to `folder`; says what they are.

    file: an npz with `header`, the bytes that all JPEG files begin with, `payload`, the other bytes of all of them,
    `offsets` of each and of the end, and `labels`: first the 50,000 images for training, then those for test.
    Where it is not there or cannot be decoded, the images are synthetic, which serve for times only.
    """
    said = ""
    if file is not None:
        try:
            write_python(_dataset(*_decoded(file)), folder)
            return f"the images of {file.name}"
        except (OSError, KeyError, ValueError, ImportError) as error:
            said = f"{file} cannot be decoded ({error!r}): "
    write_python(synthetic(), folder)
    return f"{said}synthetic images: for times only"


def _decoded(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 32, 32, 3) and labels (N,)."""
    from PIL import Image  # not everywhere

    with np.load(file) as archive:
        header, payload = archive["header"].tobytes(), archive["payload"].tobytes()
        offsets, labels = archive["offsets"], archive["labels"].astype(np.int64)

    def decode(number: int) -> np.ndarray:
        data = header + payload[offsets[number] : offsets[number + 1]]
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    with ThreadPoolExecutor() as pool:
        images: Iterator[np.ndarray] = pool.map(decode, range(len(labels)))
        return np.stack(list(images)), labels


def _dataset(images: np.ndarray, labels: np.ndarray) -> Dataset:
    if len(images) <= TRAIN or images.shape[1:] != (32, 32, 3):
        raise ValueError(f"{len(images)} images of {images.shape[1:]}")
    train, test = (Split(images=images[part], labels=labels[part]) for part in (slice(TRAIN), slice(TRAIN, None)))
    about = {"classes": CIFAR10.classes, "fingerprint": "", "canonical": False, "source": ""}
    return Dataset(name="cifar10", train=train, test=test, **about)
