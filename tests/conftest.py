# ruff: noqa: E402
import os
import signal

from fastcifar.machine import short_waits

short_waits(os.environ)  # before torch is loaded: tests with two threads take minutes on a busy machine otherwise
# Before NumPy is loaded. A search, too, lets it have one thread: on small matrices, several wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
import torch
from coloured import coloured

from fastcifar.data import Dataset
from fastcifar.train import Recipe

torch.set_num_threads(1)  # the networks of the tests are too small to share
# nohup and a shell's background jobs ignore these, which children would inherit.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def images() -> Dataset:
    """640 training images, 200 for test."""
    return coloured(640, 200)


@pytest.fixture
def recipe() -> Recipe:
    """Trains on `images` in about a second."""
    return Recipe(dataset="synthetic", prep=4, layer1=8, layer2=8, layer3=8, batch_size=32, total_epoch=3, peak_lr=0.1)
