"""Images that are easy to learn."""

import numpy as np

from fastcifar.data import Dataset, Split
from fastcifar.data.dataset import fingerprint


def coloured(train_size: int, test_size: int, seed: int = 0) -> Dataset:
    """Ten classes that differ by colour: so easy that a network of a few channels learns them in seconds."""
    generator = np.random.default_rng(seed)
    colours = np.array([[r, g, b] for r in (64, 192) for g in (64, 192) for b in (64, 128, 192)])[:10]

    def split(size: int) -> Split:
        labels = np.arange(size, dtype=np.int64) % 10
        noise = generator.integers(-30, 31, (size, 32, 32, 3))
        return Split(images=(colours[labels][:, None, None] + noise).astype(np.uint8), labels=labels)

    train, test = split(train_size), split(test_size)
    return Dataset(
        name="synthetic",
        train=train,
        test=test,
        classes=tuple("abcdefghij"),
        fingerprint=fingerprint(train, test),
        canonical=False,
        source="colours",
    )
