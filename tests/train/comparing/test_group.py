"""Many runs that are interrupted, gone on with and extended."""

import json
from dataclasses import replace

import pytest
from coloured import coloured

from fastcifar.train import Hooks, RecordError, compare, load_result
from fastcifar.train.comparing.comparison import resume_comparison
from fastcifar.train.comparing.group import Side, begin, load_group
from fastcifar.train.comparing.series import run_group
from fastcifar.train.record.record import RunFolder


@pytest.fixture
def sides(recipe):
    """Recipes of 2 steps an epoch."""
    a = recipe.with_params({"total_epoch": 2, "train_images": 64})
    return {"A": Side(name="one", recipe=a), "B": Side(name="two", recipe=a.with_params({"flip": "none"}))}


def started(sides, images, out, runs=3):
    return begin("compare", sides, images, {"device": "cpu", "out": out}, seed=4, runs=runs, delta=0.01)


def interrupted_in(number):
    """Hooks that interrupt the run of that number after its first epoch."""
    begun = []

    def hooks(which, seed):
        begun.append((which, seed))

        def progress(epoch, step):
            if len(begun) == number and epoch == 1:
                raise KeyboardInterrupt

        return Hooks(progress=progress)

    return hooks


def test_a_comparison_goes_on_where_it_stopped(sides, images, tmp_path):
    """Runs that have ended are kept, one that was interrupted goes on from its checkpoint, the others are made."""
    group = started(sides, images, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_group(group, images, hooks=interrupted_in(3))
    statuses = {turn: one.status for turn, one in load_group(group.path).found().items()}
    assert statuses == {("A", 4): "finished", ("B", 4): "finished", ("B", 5): "interrupted"}
    made, told, ended = [], [], []

    def hooks(which, seed):
        made.append((which, seed))
        return Hooks(on_start=lambda result, epochs_done: told.append(epochs_done))

    found = run_group(
        load_group(group.path), images, hooks=hooks, on_run=lambda which, result: ended.append((which, result.seed))
    )
    assert ended == [("A", 4), ("B", 4), ("B", 5), ("A", 5), ("A", 6), ("B", 6)]
    assert made == ended[2:] and told == [1, 0, 0, 0]
    members = {json.dumps(one.settings["group"]) for one in found["B"]}
    assert members == {json.dumps({"kind": "compare", "id": group.id, "side": "B"})}
    extended = resume_comparison(group.path, images, runs=4)  # then for one pair more
    assert load_group(group.path).runs == 4 and load_group(group.path).extended == (3,)
    assert resume_comparison(group.path, images) == extended  # nothing is left to do
    assert len(list(tmp_path.glob("*/run.json"))) == 8
    with pytest.raises(ValueError, match="--runs: 4 have begun, so 3 are too few"):
        load_group(group.path).asked(3)
    a, b = (side.recipe for side in sides.values())
    whole = compare(a, b, images, 4, seed=4, delta=0.01, device="cpu")
    for name in ("pairs", "accuracy", "valid_acc", "pairs_needed"):
        assert getattr(extended, name) == getattr(whole, name), name


def test_the_record_of_a_group(sides, images, tmp_path):
    group = started(sides, images, tmp_path)
    assert group.path.name.split("-")[2:4] == ["compare", "one"]
    assert load_group(group.path) == group and group.settings["step"] in ("fused", "eager")
    document = json.loads((group.path / "group.json").read_text())
    assert document["sides"]["B"]["name"] == "two" and document["delta"] == 0.01
    assert group.asked(9).extended == () and group.asked(9, delta=0.02).delta == 0.02  # no run had ended
    for harm in ({"kind": "pair"}, {"sides": {}}, {"seed": None, "sides": 3}):
        (group.path / "group.json").write_text(json.dumps(document | harm))
        with pytest.raises(RecordError, match="not a record of this version"):
            load_group(group.path)
    (group.path / "group.json").write_text("{")
    with pytest.raises(RecordError, match=r"group\.json"):
        load_group(group.path)
    with pytest.raises(RecordError, match="no series of runs and no comparison"):
        load_group(tmp_path)


def test_whoever_holds_a_group_holds_it_alone(sides, images, tmp_path):
    group = started(sides, images, tmp_path)
    with RunFolder(group.path).locked(), pytest.raises(RecordError, match="another process is at work"):
        run_group(group, images)
    with pytest.raises(ValueError, match="these have"):
        run_group(group, coloured(640, 200, seed=1))


def test_what_cannot_be_run_leaves_no_folder(sides, images, tmp_path):
    other = {**sides, "B": replace(sides["B"], recipe=sides["B"].recipe.with_params({"batch_size": 65}))}
    with pytest.raises(ValueError, match="batch_size: 65 is more than the 64"):
        started(other, images, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_runs_made_before_there_were_groups(sides, images, tmp_path):
    """Their records say nothing of a group."""
    group = started(sides, images, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_group(group, images, hooks=interrupted_in(1))
    (record,) = tmp_path.glob("*/run.json")
    document = json.loads(record.read_text())
    document["message"] = group.id  # a record that names it all the same
    del document["settings"]["group"]
    record.write_text(json.dumps(document))
    assert group.found() == {} and load_result(record.parent).settings.get("group") is None
