"""A function without a name is searched on with."""

from pathlib import Path

import pytest

from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.folders import make_folder
from fastcifar.experiment.store.store import Store, StoreError
from fastcifar.search import optimize

SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}}


def test_a_lambda_is_gone_on_with(tmp_path):
    """With one trial at a time it ends as the search would have without a break."""
    whole = optimize(lambda params: params["x"], SPACE, trials=4, tuner="Random", seed=3, out=tmp_path / "whole")
    first = optimize(lambda params: params["x"], SPACE, trials=2, tuner="Random", seed=3, out=tmp_path)
    assert first["trials"]["all"] == 2
    again = optimize(lambda params: params["x"], resume=first["id"], trials=4, out=tmp_path)
    assert (again["id"], again["trials"]["all"]) == (first["id"], 4)
    assert (again["best"], again["best_value"]) == (whole["best"], whole["best_value"])
    assert optimize(lambda params: 1 / 0, SPACE, resume=Path(first["path"]))["trials"]["finished"] == 4  # it is done


def test_what_cannot_be_gone_on_with(tmp_path):
    folder = make_folder(tmp_path, "x")
    Store.create(folder, {"spec": Spec(space=SPACE, trials=1, command="true").to_dict()}).close()
    with pytest.raises(ValueError, match="is the search of a command, not of a function"):
        optimize(abs, resume=folder.name, out=tmp_path)
    with Store.open(folder).connection as connection:
        connection.execute("DELETE FROM meta")
    Store.open(folder).set({"spec": Spec(space=SPACE, trials=1).to_dict()})
    with pytest.raises(ValueError, match="begun with another one"):
        optimize(abs, {"y": SPACE["x"]}, resume=folder.name, out=tmp_path)
    with pytest.raises(StoreError, match="there is no experiment 'nothing'"):
        optimize(abs, resume="nothing", out=tmp_path)
    with pytest.raises(ValueError, match="space: a search space is needed"):
        optimize(abs, trials=1, out=tmp_path)
    with pytest.raises(ValueError, match="function: a function or its name is needed"):
        optimize(3, resume=folder.name, out=tmp_path)
