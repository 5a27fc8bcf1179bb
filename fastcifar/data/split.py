"""Splits a dataset into images for training, for selection and for testing."""

import hashlib

import numpy as np

from fastcifar.data.dataset import Dataset, Split

HOLDOUT_SIZE = 5_000
SPLITS = ("test", "holdout")


def parts(dataset: Dataset, split: str = "test", train_images: int | None = None) -> tuple[Split, Split]:
    """Return (the images to train on, the images to validate on).

    split: `test` trains on all training images and validates on the test images; `holdout` validates on 5,000
        training images and trains on the others. The holdout is stratified, and fixed by the dataset's name.
    train_images: train on this many only, a stratified part that is fixed by the dataset's name.

    Raises ValueError for another split, and where there are too few images.
    """
    if split not in SPLITS:
        raise ValueError(f"split: {split!r} is none of {', '.join(SPLITS)}")
    train, valid = dataset.train, dataset.test
    if split == "holdout":
        held = stratified(train.labels, HOLDOUT_SIZE, f"{dataset.name} holdout")
        rest = np.setdiff1d(np.arange(len(train.labels)), held)
        train, valid = _take(train, rest), _take(train, held)
    if train_images is not None:
        train = _take(train, stratified(train.labels, train_images, f"{dataset.name} train_images"))
    return train, valid


def stratified(labels: np.ndarray, size: int, key: str) -> np.ndarray:
    """Choose `size` indices into `labels` (N,), stratified by class, by a shuffle that `key` seeds. Sorted.

    A larger part with the same key contains every smaller one, except for rounding of the class shares.
    """
    if not 0 < size <= len(labels):
        raise ValueError(f"a part of {size} images cannot be taken from {len(labels)}")
    # Generator.random is a fixed function of the bits, unlike shuffle, whose algorithm numpy may change.
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    rank = np.random.Generator(np.random.PCG64(seed)).random(len(labels))
    classes, counts = np.unique(labels, return_counts=True)
    shares = counts * size / len(labels)
    quota = np.floor(shares).astype(np.int64)
    quota[np.argsort(quota - shares, kind="stable")[: size - quota.sum()]] += 1
    chosen = []
    for label, count in zip(classes, quota, strict=True):
        members = np.flatnonzero(labels == label)
        chosen.append(members[np.argsort(rank[members], kind="stable")[:count]])
    return np.sort(np.concatenate(chosen))


def _take(split: Split, indices: np.ndarray) -> Split:
    return Split(images=split.images[indices], labels=split.labels[indices])
