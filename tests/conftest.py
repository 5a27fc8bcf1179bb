import pytest
import torch

from fastcifar.data import Dataset, synthetic
from fastcifar.train import Recipe

torch.set_num_threads(1)  # the networks of the tests are too small to share


@pytest.fixture(scope="session")
def images() -> Dataset:
    """640 synthetic training images, 200 for test."""
    return synthetic(10, 640, 200)


@pytest.fixture
def small() -> Recipe:
    """A recipe that trains on `images` in about a second."""
    return Recipe(dataset="synthetic", prep=4, layer1=8, layer2=8, layer3=8, batch_size=64, total_epoch=3)
