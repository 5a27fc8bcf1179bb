import importlib

import numpy as np
import pytest

from fastcifar.data import DataError, load, synthetic
from fastcifar.data.dataset import Dataset, Split

module = importlib.import_module("fastcifar.data.synthetic")  # the package has the function under this name


@pytest.mark.parametrize(
    ("num_classes", "expected"),
    [
        (10, "d7a0b30e75a8f5676f35ded701e728d702671162d6b35dc6ecdb8449be23ae3b"),
        (100, "0b70a9105d65a8735c6f2d37438ac58d1612cffdfc58babc47ccef89c8a6f9ea"),
    ],
)
def test_the_bytes_are_the_same_on_every_machine(num_classes: int, expected: str) -> None:
    assert synthetic(num_classes, 600, 100, seed=3).fingerprint == expected


def test_the_raw_bits_are_pcg64s() -> None:
    """First outputs of PCG64 with NumPy's seeding, which NEP 19 keeps; NumPy's own tests hold PCG64's stream."""
    bits = module._Bits(0, 10, 1)
    raw = np.random.PCG64(np.random.SeedSequence((0, 10, 1))).random_raw(3)
    assert bits.octets(2, 5).tobytes() == b"".join(int(word).to_bytes(8, "little") for word in raw)[:10]
    again = module._Bits(0, 10, 1)
    assert again.whole(5, 8, 3).tolist() == [5 + ((int(word) >> 32) * 3 >> 32) for word in raw]


def test_shapes_names_and_balance() -> None:
    for num_classes, name in ((10, "synthetic"), (100, "synthetic100")):
        made = synthetic(num_classes, 500, 300)
        assert (made.name, made.canonical, len(made.classes)) == (name, False, num_classes)
        assert made.train.images.shape == (500, 32, 32, 3)
        assert (made.train.images.dtype, made.train.labels.dtype) == (np.uint8, np.int64)
        assert set(np.bincount(made.train.labels)) == {500 // num_classes}
        assert set(np.bincount(made.test.labels)) == {300 // num_classes}
        assert not np.array_equal(made.train.labels, np.sort(made.train.labels))


def test_seeds_and_splits_differ() -> None:
    first, second = synthetic(10, 100, 100, seed=0), synthetic(10, 100, 100, seed=1)
    assert first.fingerprint != second.fingerprint
    assert not np.array_equal(first.train.images, first.test.images)
    assert first.fingerprint == synthetic(10, 100, 100, seed=0).fingerprint


def test_load_makes_the_full_size_without_a_warning(full: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    assert load("synthetic").fingerprint == full.fingerprint
    assert len(full.train.labels) == 50_000
    assert len(full.test.labels) == 10_000
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("num_classes", "size"), [(7, 100), (10, 9), (100, 99)])
def test_impossible_sizes(num_classes: int, size: int) -> None:
    with pytest.raises(DataError, match="synthetic"):
        synthetic(num_classes, 1000, size)


def test_textures_are_mirror_symmetric() -> None:
    """So a flip leaves the class: the mirror image of every texture is that texture from another start."""
    textures = module._make_textures(3, module._Bits(5)).reshape(3, 64, 32, 32, 3)
    for texture in textures:
        starts = {start.tobytes() for start in texture}
        assert len(starts) == 64
        assert all(start[:, ::-1].tobytes() in starts for start in texture)


def linear_accuracy(train: Split, test: Split, num_classes: int) -> float:
    """Least squares on the pixels, with a little ridge."""

    def features(split: Split) -> np.ndarray:
        pixels = split.images.reshape(len(split.labels), -1).astype(np.float32) / 128 - 1
        return np.concatenate([pixels, np.ones((len(pixels), 1), np.float32)], axis=1)

    x = features(train)
    targets = np.eye(num_classes, dtype=np.float32)[train.labels]
    weights = np.linalg.solve(x.T @ x + 10 * np.eye(x.shape[1], dtype=np.float32), x.T @ targets)
    return float(((features(test) @ weights).argmax(1) == test.labels).mean())


def folded(split: Split) -> np.ndarray:
    """(n, 48): how much of each image repeats every 8 pixels, whatever its start and sign: squares, not pixels."""
    images = split.images.astype(np.float32) - split.images.mean(axis=(1, 2), keepdims=True)
    spectrum = np.abs(np.fft.rfft2(images, axes=(1, 2))) ** 2
    return np.log1p(spectrum[:, ::4, ::4]).reshape(len(images), -1)


def test_only_relations_between_pixels_tell_the_class() -> None:
    made = synthetic(10, 4000, 1000)
    linear = linear_accuracy(made.train, made.test, 10)
    assert linear < 0.15  # chance is 0.1
    train, test = folded(made.train), folded(made.test)
    scale = np.maximum(train.std(axis=0), 1e-6)
    targets = np.eye(10, dtype=np.float32)[made.train.labels]
    x, y = (np.concatenate([part / scale, np.ones((len(part), 1))], axis=1) for part in (train, test))
    weights = np.linalg.lstsq(x, targets, rcond=None)[0]
    accuracy = float(((y @ weights).argmax(1) == made.test.labels).mean())
    assert accuracy > 0.3, (linear, accuracy)
