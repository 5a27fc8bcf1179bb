"""What ends a training between two steps: a signal, and a folder that has gone."""

import shutil
import signal

import pytest
from signalled import send

from fastcifar import stopping
from fastcifar.stopping import stoppable
from fastcifar.train import Hooks, RecordError, load_result, resume, train
from fastcifar.train.comparing.group import Side, begin
from fastcifar.train.comparing.series import run_group
from fastcifar.train.record.folder import Folder


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A machine that is busy needs longer than two seconds for a look."""
    monkeypatch.setattr(stopping, "GRACE", 60.0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_training_after_the_step_that_runs(recipe, images, tmp_path, number):
    recipe, steps = recipe.with_params({"total_epoch": 2, "train_images": 128}), []

    def progress(epoch, step):
        steps.append((epoch, step))
        if (epoch, step) == (1, 2):
            send(number)

    with stoppable(), pytest.raises(KeyboardInterrupt):
        train(recipe, images, device="cpu", out=tmp_path, hooks=Hooks(progress=progress))
    (folder,) = tmp_path.iterdir()
    assert steps[-1] == (1, 2)
    record = load_result(folder)
    assert record.status == "interrupted" and len(record.epochs) == 1
    assert resume(folder, images).status == "finished"


def test_a_signal_amid_validation_or_the_views(recipe, images, monkeypatch):
    """Each batch of images is a step there."""
    monkeypatch.setattr("fastcifar.train.images.EVALUATION_BATCH", 50)
    few = recipe.with_params({"total_epoch": 1, "train_images": 64, "tta": "flip"})
    rows = []

    def announced(row):
        rows.append(row)
        send(signal.SIGINT)  # the next thing are the views

    with stoppable(), pytest.raises(KeyboardInterrupt):
        train(few, images, device="cpu", hooks=Hooks(on_epoch=announced))
    assert len(rows) == 1
    monkeypatch.setattr("fastcifar.train.step.loop.run_forward", forward_and_send())
    with stoppable(), pytest.raises(KeyboardInterrupt):
        train(few, images, device="cpu", hooks=Hooks(on_epoch=announced))
    assert len(rows) == 1


def forward_and_send():
    """A forward pass that is interrupted where it is the first one of a validation."""
    from fastcifar.train.step.loop import run_forward

    def forward(state, images):
        if not state.network.training and not stopping._current.asked:
            send(signal.SIGINT)
        return run_forward(state, images)

    return forward


def series(recipe, images, out):
    side = Side(name="one", recipe=recipe.with_params({"total_epoch": 1, "train_images": 64}))
    return begin("runs", {"": side}, images, {"device": "cpu", "out": out}, seed=0, runs=3)


def test_a_signal_between_two_runs_of_a_series(recipe, images, tmp_path):
    few = recipe.with_params({"total_epoch": 1, "train_images": 64})
    group = begin(
        "runs", {"": Side(name="one", recipe=few)}, images, {"device": "cpu", "out": tmp_path}, seed=0, runs=3
    )
    made = []
    with stoppable(), pytest.raises(KeyboardInterrupt):
        run_group(
            group,
            images,
            hooks=lambda which, seed: made.append(seed) or Hooks(),
            on_run=lambda which, result: send(signal.SIGTERM),
        )
    assert made == [0] and [result.status for result in group.found().values()] == ["finished"]


@pytest.mark.parametrize("other", [False, True])
def test_a_folder_that_is_deleted_ends_the_training_before_the_epoch_is_announced(recipe, images, tmp_path, other):
    """Also where there is another in its place, into which nothing is written."""
    announced, steps = [], []

    def progress(epoch, step):
        steps.append((epoch, step))
        if (epoch, step) == (1, 2):
            (folder,) = tmp_path.iterdir()
            shutil.rmtree(folder)
            if other:
                folder.mkdir()
                (folder / "lock").touch()

    hooks = Hooks(progress=progress, on_epoch=lambda row: announced.append(row.epoch))
    with pytest.raises(RecordError, match="was deleted or moved while it was in use"):
        train(recipe, images, device="cpu", out=tmp_path, hooks=hooks)
    assert announced == [1] and steps[-1] == (1, 2)
    assert [path.name for path in tmp_path.glob("*/*")] == (["lock"] if other else [])


def test_nothing_is_written_where_the_folder_has_gone(tmp_path):
    (tmp_path / "a").mkdir()
    folder = Folder(tmp_path / "a")
    folder.check()  # it is not held
    with folder.locked():
        folder.check()
        (tmp_path / "a").rename(tmp_path / "b")
        (tmp_path / "a").mkdir()
        for write in (lambda: folder.write_json({}), lambda: folder.write_epochs([])):
            with pytest.raises(RecordError, match="nothing more is kept"):
                write()
    assert list((tmp_path / "a").iterdir()) == []


def test_a_series_whose_folder_has_gone(recipe, images, tmp_path):
    few = recipe.with_params({"total_epoch": 1, "train_images": 64})
    group = begin(
        "runs", {"": Side(name="one", recipe=few)}, images, {"device": "cpu", "out": tmp_path}, seed=0, runs=3
    )
    with pytest.raises(RecordError, match=f"{group.path} was deleted or moved"):
        run_group(group, images, on_run=lambda which, result: shutil.rmtree(group.path))
    assert len(list(tmp_path.glob("*/run.json"))) == 1
