import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from experiments import CODE, SPACE
from searches import MODULE, name_of

from fastcifar.cli import run


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder with one experiment of 8 trials, some of which fail."""
    place = tmp_path_factory.mktemp("made")
    (place / "objective.py").write_text(CODE)
    (place / "space.json").write_text(json.dumps(SPACE))
    before = Path.cwd()
    try:
        os.chdir(place)
        arguments = ["--space", "space.json", "--objective", "objective:f", "--trials", "8", "--tuner", "Random"]
        assert run(["search", *arguments, "--json"]) == 0
    finally:
        os.chdir(before)
    return place


@pytest.fixture
def id(made, tmp_path, monkeypatch):
    """The id of a copy of that experiment, in a working directory of its own."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    (folder,) = (tmp_path / "runs").iterdir()
    return folder.name


@pytest.fixture
def search_folder(tmp_path, monkeypatch):
    """A space and functions to search, in a working directory of the test's own."""
    (tmp_path / "x.json").write_text('{"x": {"_type": "uniform", "_value": [0, 1]}}')
    (tmp_path / "keys.json").write_text('{"layr3": {"_type": "choice", "_value": [2, 3]}}')
    (tmp_path / "values.json").write_text('{"layer3": {"_type": "choice", "_value": [2, "three"]}}')
    (tmp_path / "idle.json").write_text('{"muon_lr": {"_type": "uniform", "_value": [0.1, 1]}}')
    (tmp_path / "peak.json").write_text('{"peak_epoch": {"_type": "randint", "_value": [3, 10]}}')
    (tmp_path / f"{name_of(tmp_path)}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path
