"""Pickles and archives of images, spoilt at random: each is read, or refused in one line with little memory."""

import gzip
import io
import pickle
import random
import tarfile
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fuzzing import spoilt

from fastcifar.data.dataset import Dataset
from fastcifar.data.published.formats import write_archive
from fastcifar.data.published.layouts import CIFAR10, Layout
from fastcifar.data.published.pickles import load_plain
from fastcifar.data.published.places import Place
from fastcifar.data.published.readers import read_dataset
from fastcifar.data.synthetic import synthetic

OPCODES = (
    *(bytes([code]) for code in b"]}()NtulesabR.\x88\x94\x85\x86\x87"),
    *(b"q\x01", b"h\x01", b"r\xff\xff\xff\xff", b"X\xff\xff\xff\x7f", b"B\xff\xff\xff\xff", b"\x95" + b"\xff" * 8),
    *(b"\x8e" + b"\xff" * 8, b"c_codecs\nencode\n", b"cnumpy\nndarray\n", b"cos\nsystem\n", b"\x8a\xff", b"\x80\x04"),
)
HEADERS = (b"99999999999\0", b"\x80" + b"\xff" * 11, b"x", b"L", b"1", b"5", b"S", b"../", b"/", bytes(512), b"9 a=b\n")


def batch() -> dict[bytes, object]:
    names = [b"image_%d.png" % number for number in range(30)]
    return {b"data": np.zeros((30, 12), np.uint8), b"labels": [1] * 30, b"filenames": names}


@pytest.mark.fuzz(400)
def test_pickles(cases, answer):
    draw = random.Random(4)
    good = [pickle.dumps(batch(), protocol) for protocol in (2, 3, 4, 5)]
    tracemalloc.start()
    try:
        for content in good:
            assert load_plain(content, 30)["labels"] == [1] * 30
        for _ in range(cases):
            content = spoilt(draw.choice(good), draw, OPCODES)
            tracemalloc.reset_peak()
            answer(lambda content=content: load_plain(content, 30))
            assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Layout, bytes]:
    """A dataset, its layout, and its tar without gzip."""
    dataset = synthetic(10, 50, 20, seed=1)
    path = write_archive(dataset, tmp_path_factory.mktemp("small"))
    return dataset, replace(CIFAR10, train_images=50, test_images=20), gzip.decompress(path.read_bytes())


@pytest.mark.fuzz(40)
def test_archives(cases, answer, small, tmp_path: Path):
    """The tar is spoilt, mostly in its headers, and packed anew, so that gzip's checksum is right."""
    draw = random.Random(5)
    dataset, layout, whole = small
    form = layout.forms[0]
    place = Place(path=tmp_path / form.archive.file_name, form=form, packed=True, found=True)
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        starts = [member.offset for member in tar]
    for number in range(cases):
        start = draw.choice(starts)
        content = whole[:start] + spoilt(whole[start : start + 1024], draw, HEADERS) + whole[start + 1024 :]
        content = gzip.compress(content, 1)
        place.path.write_bytes(spoilt(content, draw, HEADERS) if number % 5 == 0 else content)
        found = answer(lambda: read_dataset(place, layout), place.path)
        if found is not None and found.fingerprint != dataset.fingerprint:
            assert found.train.images.shape == dataset.train.images.shape  # pixels have no checksum of their own
