"""Folders of runs, copied from one that was trained."""

import json
import shutil
from pathlib import Path

from coloured import coloured

from fastcifar.train import Recipe, train

QUICK = {"dataset": "synthetic", "total_epoch": 1, "batch_size": 32, "train_images": 64, "peak_lr": 0.1}
NARROW = {"prep": 2, "layer1": 2, "layer2": 2, "layer3": 2}


def trained(out, **arguments):
    """A run of one epoch in `out`; its folder."""
    recipe = Recipe.from_dict(QUICK | NARROW)
    return Path(train(recipe, coloured(64, 20), device="cpu", out=out, **arguments).path)


def copied(folder, id, epochs=None, **changes):
    """A copy of the run beside it, with other values in its record. epochs: accuracies, one for each."""
    path = folder.with_name(id)
    shutil.copytree(folder, path)
    record = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(record | changes))
    if epochs is not None:
        lines = (path / "epochs.csv").read_text().splitlines()
        rows = [f"{at},0.1,2.0,1.5,0.5,0.5,1.5,{accuracy},2.5" for at, accuracy in enumerate(epochs, 1)]
        (path / "epochs.csv").write_text("\n".join([lines[0], *rows]) + "\n")
    return path
