"""Runs that versions of fastcifar have kept, see tests/kept: this one lists, shows and loads them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from fastcifar.cli import run
from fastcifar.train.loading import load_network
from fastcifar.train.run import load_result

KEPT = Path(__file__).parents[2] / "kept"
RUNS = sorted(path.parent.name for path in KEPT.glob("*/run"))


@pytest.mark.parametrize("version", RUNS)
def test_a_run_of_an_older_version(tmp_path, capsys, version):
    folder = tmp_path / "run"
    shutil.copytree(KEPT / version / "run", folder)
    kept = json.loads((folder / "run.json").read_text())
    assert run(["runs", "list", "--out", str(tmp_path), "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["status"], one["epochs"], one["of"], one["recipe"]) == ("finished", 2, 2, "tiny")
    assert run(["runs", "show", "run", "--out", str(tmp_path)]) == 0
    assert f"valid acc: {100 * kept['epochs'][-1]['valid_acc']:.2f} %" in capsys.readouterr().out
    result = load_result(folder)
    written = result.to_dict()
    names = [name for name in kept if name != "id"]  # which is the folder's name
    assert {name: written[name] for name in names} == {name: kept[name] for name in names}
    logits = load_network(folder).predict(np.zeros((3, 32, 32, 3), np.uint8))
    assert logits.shape == (3, 10) and bool(torch.isfinite(logits).all())
    assert run(["train", "--resume", str(folder)]) == 1
    assert "the run has ended (finished)" in capsys.readouterr().err
