"""Made-up images of CIFAR's shape: for tests, and for machines that have no data and no network.

An image is a smooth background, a disc filled with one texture, another texture around it, and noise. With 10 classes
the texture in the disc is the class; with 100 classes the pair of textures is. A texture is a small mirror-symmetric
tile, repeated from a random start and with a random sign. So a single pixel carries no information about the class,
and mirroring an image keeps its class. In some images the contrast is too low to recognise the class.

Everything is computed in whole numbers from the raw 64-bit output of PCG64, which NumPy guarantees not to change
(NEP 19). So a seed gives the same bytes on every machine.
"""

from dataclasses import dataclass

import numpy as np

from fastcifar.data.dataset import IMAGE_SHAPE, DataError, Dataset, Split, fingerprint

SIDE = IMAGE_SHAPE[0]
TEXTURES = 10  # in a disc, and as many others around it
TILE = 8  # pixels
DISCS = 256
CHUNK = 250  # images at a time: stays in the processor's cache

SYNTHETIC_CLASSES = {"synthetic": 10, "synthetic100": 100}  # name -> number of classes


@dataclass(frozen=True, kw_only=True)
class _Look:
    """How hard the images are. All in grey levels; an image's contrasts are drawn evenly from low to high - 1."""

    inside: tuple[int, int]  # contrast in the disc
    outside: tuple[int, int]  # contrast around it
    noise: int  # evenly from -noise to noise


# A small ResNet-9 then reaches 85 to 95 % on test after a few epochs. With the noise of the 10 classes, 100 classes
# are not learned at all.
LOOKS = {
    10: _Look(inside=(4, 40), outside=(10, 30), noise=40),
    100: _Look(inside=(4, 60), outside=(4, 60), noise=20),
}
BRIGHTNESS = (64, 192)  # of the background, in its middle
SLOPE = 32  # at most, from there to an edge


class _Bits:
    """Random whole numbers from raw PCG64 output."""

    def __init__(self, *seed: int) -> None:
        self.source = np.random.PCG64(np.random.SeedSequence(seed))

    def octets(self, *shape: int) -> np.ndarray:
        size = int(np.prod(shape))
        words = np.asarray(self.source.random_raw(-(-size // 8)), dtype="<u8")
        return words.view(np.uint8)[:size].reshape(shape)

    def whole(self, low: int, high: int, *shape: int) -> np.ndarray:
        """Whole numbers from low to high - 1, int64."""
        words = np.asarray(self.source.random_raw(int(np.prod(shape))), dtype="<u8").reshape(shape)
        return low + ((words >> np.uint64(32)) * np.uint64(high - low) >> np.uint64(32)).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class _World:
    """What all images of a dataset share."""

    inside: np.ndarray  # (TEXTURES, 64 starts, 32 * 32 * 3) int8, -64 to 64
    outside: np.ndarray  # likewise, of the textures around a disc
    discs: np.ndarray  # (DISCS, 32 * 32 * 3) bool
    look: _Look


def synthetic(num_classes: int = 10, train_size: int = 50_000, test_size: int = 10_000, seed: int = 0) -> Dataset:
    """Makes a dataset of `num_classes` (10 or 100) balanced classes; the same on every machine.

    Raises `DataError` for other numbers of classes, and for sizes that do not hold one image of each class.
    """
    if num_classes not in LOOKS:
        raise DataError(f"a synthetic dataset has 10 or 100 classes, not {num_classes}")
    if min(train_size, test_size) < num_classes:
        raise DataError(
            f"a synthetic split of {num_classes} classes needs as many images, not {train_size}, {test_size}"
        )
    world = _make_world(LOOKS[num_classes], _Bits(seed, num_classes, 0))
    train = _make_split(world, num_classes, train_size, _Bits(seed, num_classes, 1))
    test = _make_split(world, num_classes, test_size, _Bits(seed, num_classes, 2))
    return Dataset(
        name="synthetic" if num_classes == 10 else "synthetic100",
        train=train,
        test=test,
        classes=tuple(f"texture_{number:02d}" for number in range(num_classes)),
        fingerprint=fingerprint(train, test),
        canonical=False,
        source=f"made up from seed {seed}",
    )


def _make_world(look: _Look, bits: _Bits) -> _World:
    textures = _make_textures(2 * TEXTURES, bits)
    radius = bits.whole(9, 15, DISCS, 1, 1)
    row, column = bits.whole(10, 22, DISCS, 1, 1), bits.whole(10, 22, DISCS, 1, 1)
    y, x = np.mgrid[:SIDE, :SIDE]
    discs = (y - row) ** 2 + (x - column) ** 2 < radius**2
    discs = np.repeat(discs.reshape(DISCS, -1), 3, axis=1)
    return _World(inside=textures[:TEXTURES], outside=textures[TEXTURES:], discs=discs, look=look)


def _make_textures(number: int, bits: _Bits) -> np.ndarray:
    """(number, 64 starts, 32 * 32 * 3) int8."""
    quarter = bits.whole(-64, 65, number, TILE // 2, TILE // 4, 3)
    half = np.concatenate([quarter, quarter[:, :, ::-1]], axis=2)  # mirrored, so that a flip keeps the class
    tile = half.astype(np.int8).repeat(2, axis=1).repeat(2, axis=2)
    starts = np.arange(TILE * TILE)
    index = np.arange(SIDE)
    rows = (index + starts[:, None] // TILE) % TILE  # (64, 32)
    columns = (index + starts[:, None] % TILE) % TILE
    textures = tile[:, rows[:, :, None], columns[:, None, :]]  # (number, 64, 32, 32, 3)
    return textures.reshape(number, len(starts), -1)


def _make_split(world: _World, num_classes: int, size: int, bits: _Bits) -> Split:
    labels = np.arange(size) % num_classes
    labels = labels[np.argsort(bits.whole(0, 1 << 31, size), kind="stable")]
    images = np.empty((size, *IMAGE_SHAPE), np.uint8)
    for start in range(0, size, CHUNK):
        part = labels[start : start + CHUNK]
        random = bits.whole(0, TEXTURES, len(part))
        inside, outside = (part, random) if num_classes == TEXTURES else np.divmod(part, TEXTURES)
        _paint(images[start : start + CHUNK], inside, outside, world, bits)
    return Split(images=images, labels=labels)


def _paint(images: np.ndarray, inside: np.ndarray, outside: np.ndarray, world: _World, bits: _Bits) -> None:
    """Fills images (n, 32, 32, 3), given the texture in (n,) and around (n,) each disc."""
    n = len(images)
    own = world.inside[inside, bits.whole(0, TILE * TILE, n)] * _signed(bits, *world.look.inside, n)
    other = world.outside[outside, bits.whole(0, TILE * TILE, n)] * _signed(bits, *world.look.outside, n)
    picture = np.where(world.discs[bits.whole(0, DISCS, n)], own, other)
    picture >>= 6
    picture = picture.reshape(n, SIDE, -1)
    picture += _background(bits, n)
    noise = bits.octets(*picture.shape).astype(np.int16)
    noise *= world.look.noise
    noise >>= 7
    picture += noise
    picture -= world.look.noise
    np.clip(picture, 0, 255, out=picture)
    images[...] = picture.reshape(images.shape)


def _signed(bits: _Bits, low: int, high: int, n: int) -> np.ndarray:
    """(n, 1) int16: a contrast from low to high - 1, with a random sign."""
    contrast: np.ndarray = bits.whole(low, high, n, 1) * (2 * bits.whole(0, 2, n, 1) - 1)
    return contrast.astype(np.int16)


def _background(bits: _Bits, n: int) -> np.ndarray:
    """(n, 32, 32 * 3) int16: a colour that changes evenly from one edge to the other."""
    colour = bits.whole(*BRIGHTNESS, n, 1, 3)
    slope = bits.whole(-SLOPE, SLOPE + 1, 2, n, 1, 3)
    place = np.arange(SIDE)[:, None] - SIDE // 2
    rows: np.ndarray = colour + slope[0] * place // (SIDE // 2)  # (n, 32, 3)
    columns: np.ndarray = slope[1] * place // (SIDE // 2)
    # Tiled rather than broadcast over (n, 32, 32, 3): an inner loop of 3 is slow.
    across = np.tile(rows.astype(np.int16), (1, 1, SIDE))
    return np.add(across, columns.astype(np.int16).reshape(n, 1, -1))
