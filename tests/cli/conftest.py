import json
import os
import shutil
from pathlib import Path

import pytest
from experiments import CODE, SPACE

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
