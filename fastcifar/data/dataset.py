"""A dataset in memory: plain arrays, and a fingerprint of what is in them."""

import hashlib
from dataclasses import dataclass

import numpy as np

from fastcifar.errors import Failure

IMAGE_SHAPE = (32, 32, 3)  # rows, columns, red green blue


class DataError(Failure, ValueError):
    """Data that is missing, unreadable or damaged; the message is for the user."""


class NoDataError(DataError):
    """The data is missing and could not be downloaded; the message lists what the user can do."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """Images and their classes, in the order of the files."""

    images: np.ndarray  # (N, 32, 32, 3) uint8
    labels: np.ndarray  # (N,) int64

    def __repr__(self) -> str:
        return f"Split({len(self.labels):,} images)"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One dataset: two splits, the class names, and where it came from."""

    name: str  # 'cifar10', 'cifar100', 'synthetic' (10 classes) or 'synthetic100'
    train: Split
    test: Split
    classes: tuple[str, ...]
    fingerprint: str  # SHA-256 over pixels and labels, see `fingerprint`
    canonical: bool  # the published files, by their published MD5 sums
    source: str  # the folder or archive it was read from, or how it was made

    def __repr__(self) -> str:
        sizes = f"{len(self.train.labels):,} train and {len(self.test.labels):,} test images"
        canonical = "canonical" if self.canonical else "not canonical"
        return f"Dataset({self.name}: {sizes}, {len(self.classes)} classes, {canonical}, {self.source})"


def fingerprint(train: Split, test: Split) -> str:
    """SHA-256 (hex) over the pixels and labels of both splits, whatever format they were read from.

    Hashed are, for train and then test: its name and size as text, the images (N, 32, 32, 3) row by row as uint8,
    the labels (N,) as little-endian int64.
    """
    digest = hashlib.sha256()
    for title, split in (("train", train), ("test", test)):
        digest.update(f"{title} {len(split.labels)}\n".encode())
        digest.update(np.ascontiguousarray(split.images, dtype=np.uint8).data)
        digest.update(np.ascontiguousarray(split.labels, dtype="<i8").data)
    return digest.hexdigest()
