"""Small datasets in every form, and one of full size, made once."""

import importlib
from dataclasses import replace
from pathlib import Path

import pytest

from fastcifar.data.dataset import Dataset
from fastcifar.data.published.formats import write_python
from fastcifar.data.published.layouts import CIFAR10, CIFAR100, LAYOUTS, Layout
from fastcifar.data.synthetic import synthetic

SIZES = {"cifar10": (50, 20), "cifar100": (120, 100)}  # train, test


@pytest.fixture(scope="session")
def layouts() -> dict[str, Layout]:
    """The published layouts with the small sizes."""
    return {
        layout.name: replace(layout, train_images=train, test_images=test)
        for layout in (CIFAR10, CIFAR100)
        for train, test in [SIZES[layout.name]]
    }


@pytest.fixture(scope="session")
def small() -> dict[str, Dataset]:
    return {layout.name: synthetic(len(layout.classes), *SIZES[layout.name], seed=1) for layout in (CIFAR10, CIFAR100)}


@pytest.fixture
def small_cifar(layouts: dict[str, Layout], monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes `load` expect the small sizes."""
    for name, layout in layouts.items():
        monkeypatch.setitem(LAYOUTS, name, layout)


@pytest.fixture(scope="session")
def full() -> Dataset:
    return synthetic()


@pytest.fixture(scope="session")
def full_root(full: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("full")
    write_python(full, root)
    return root


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No data, mirror or proxy of this machine's user reaches a test."""
    for variable in ("FASTCIFAR_DATA", "FASTCIFAR_MIRROR", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    # `fastcifar.data.load` is the function; this is the module of that name.
    monkeypatch.setattr(importlib.import_module("fastcifar.data.load"), "_warned", set())
