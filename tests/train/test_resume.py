"""A run that was interrupted, killed or cut short, and goes on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from coloured import coloured
from trainings import SPEEDRUN, figures

from fastcifar.train import Hooks, RecordError, load_result, resume, train
from fastcifar.train.record.record import RunFolder
from fastcifar.train.step.loop import Diverged

TESTS = str(Path(__file__).parents[1])


@pytest.mark.parametrize(
    ("precision", "every", "more"),
    [(precision, every, {}) for precision in ("O0", "O2", "half") for every in (1, 2)]
    + [("O0", 1, SPEEDRUN), ("O2", 2, SPEEDRUN | {"averaging": "tail", "tail_epochs": 2})],
)
def test_resume_ends_as_if_uninterrupted(recipe, images, tmp_path, precision, every, more):
    few = {"total_epoch": 4, "train_images": 256}
    recipe = recipe.with_params({"precision": precision, "flip": "alternating", **few, **more})
    whole = train(recipe, images, seed=3, device="cpu")

    def stop(epoch, step):
        if (epoch, step) == (3, 5):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, images, 3, device="cpu", out=tmp_path, checkpoint_every=every, hooks=Hooks(progress=stop))
    (folder,) = tmp_path.iterdir()
    interrupted = load_result(folder)
    assert interrupted.status == "interrupted" and len(interrupted.epochs) == 3
    again = []
    result = resume(folder, images, hooks=Hooks(on_epoch=lambda row: again.append(row.epoch)))
    assert again == ([4] if every == 1 else [3, 4])
    assert figures(result) == figures(whole) == figures(load_result(folder))
    assert result.status == "finished" and [set(again) >= {"at", "code", "device"} for again in result.resumed] == [
        True
    ]
    seconds = result.times
    assert seconds.train == pytest.approx(sum(row.train_time for row in result.epochs))
    assert seconds.wall > seconds.build + seconds.prepare + seconds.train + seconds.evaluate
    with pytest.raises(RecordError, match="has ended"):
        resume(folder, images)


def interrupt_in(last_epoch):
    """Hooks that end the run in the middle of that epoch (from 0)."""

    def progress(epoch, step):
        if (epoch, step) == (last_epoch, 5):
            raise KeyboardInterrupt

    return Hooks(progress=progress)


def test_announced_rows_stay_until_they_are_trained_again(short, images, tmp_path):
    """No checkpoint, and interrupted earlier the second time: nothing that was printed is lost."""
    whole = train(short, images, device="cpu")
    with pytest.raises(KeyboardInterrupt):
        train(short, images, device="cpu", out=tmp_path, checkpoint_every=9, hooks=interrupt_in(2))
    (folder,) = tmp_path.iterdir()
    (folder / "run.json.part").write_text("{")  # a record that was being replaced
    with pytest.raises(KeyboardInterrupt):
        resume(folder, images, hooks=interrupt_in(0))
    assert figures(load_result(folder)) == figures(whole)[:2]
    assert figures(resume(folder, images)) == figures(whole) == figures(load_result(folder))


def test_a_crash_just_before_the_final_record_loses_nothing(short, images, tmp_path, monkeypatch):
    whole = train(short, images, device="cpu")
    original = RunFolder.save_tensors

    def crash(folder, name, *rest):
        original(folder, name, *rest)
        if name == "weights.safetensors":
            raise SystemExit  # the record still says "running" or, here, "failed"

    monkeypatch.setattr(RunFolder, "save_tensors", crash)
    with pytest.raises(SystemExit):
        train(short, images, device="cpu", out=tmp_path)
    monkeypatch.undo()
    (folder,) = tmp_path.iterdir()
    assert len(load_result(folder).epochs) == 3
    assert figures(resume(folder, images)) == figures(whole)


def test_two_resumes_at_once(short, images, tmp_path):
    """The second is refused, even where it has looked at the record before the first had finished."""
    with pytest.raises(KeyboardInterrupt):
        train(short, images, device="cpu", out=tmp_path, hooks=interrupt_in(1))
    (folder,) = tmp_path.iterdir()

    def on_start(result, epochs_done):
        with pytest.raises(RecordError, match="another process is at work"):
            resume(folder, images)

    assert resume(folder, images, hooks=Hooks(on_start=on_start)).status == "finished"


SLOW_RUN = """
import sys
sys.path.insert(0, sys.argv[3])
from coloured import coloured
import time
from pathlib import Path

from fastcifar.train import Hooks, Recipe, train
import torch
torch.set_num_threads(1)
recipe = Recipe.from_json(sys.argv[1])
def slow(epoch, step):
    if epoch == 2:
        print("in epoch 3", flush=True)
        time.sleep(60)
train(recipe, coloured(640, 200), device="cpu", out=sys.argv[2], hooks=Hooks(progress=slow))
"""


def test_kill_9_in_the_middle_of_an_epoch(short, images, tmp_path):
    whole = train(short, images, device="cpu")
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_RUN, short.to_json(), str(tmp_path), TESTS], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "in epoch 3\n"
    (folder,) = tmp_path.iterdir()
    with pytest.raises(RecordError, match="another process is at work"):
        resume(folder, images)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert load_result(folder).status == "running" and len(load_result(folder).epochs) == 2
    assert figures(resume(folder, images)) == figures(whole)


def test_resume_refuses_other_images_and_damaged_checkpoints(short, images, tmp_path):
    def stop(epoch, step):
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(short, images, device="cpu", out=tmp_path, hooks=Hooks(progress=stop))
    (folder,) = tmp_path.iterdir()
    with pytest.raises(ValueError, match="fingerprint"):
        resume(folder, coloured(640, 200, seed=1))
    checkpoint = folder / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(RecordError, match=r"checkpoint.safetensors: not a whole"):
        resume(folder, images)
    with pytest.raises(RecordError, match="no run"):
        resume(tmp_path, images)
    assert list(tmp_path.iterdir()) == [folder]  # and nothing was left there


@pytest.mark.parametrize("ends", ["stopped", "diverged"])
def test_a_resumed_run_that_ends_earlier_keeps_no_later_rows(short, images, tmp_path, monkeypatch, ends):
    def interrupt(epoch, step):
        if epoch == 3:
            raise KeyboardInterrupt

    longer = short.with_params({"total_epoch": 5})
    with pytest.raises(KeyboardInterrupt):
        train(longer, images, device="cpu", out=tmp_path, checkpoint_every=9, hooks=Hooks(progress=interrupt))
    (folder,) = tmp_path.iterdir()
    assert len(load_result(folder).epochs) == 3

    def on_epoch(row):
        if ends == "diverged":
            monkeypatch.setattr("fastcifar.train.session.train_epoch", diverge)
        return ends == "stopped"

    def diverge(*_, **__):
        raise Diverged

    result = resume(folder, images, hooks=Hooks(on_epoch=on_epoch))
    kept = load_result(folder)
    assert result.status == kept.status == ends
    assert len(result.epochs) == len(kept.epochs) == len(json.loads((folder / "run.json").read_text())["epochs"]) == 1
