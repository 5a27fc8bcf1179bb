"""What a run and a supernet do in every epoch."""

import pytest
import torch

from fastcifar.train import EpochRow, Hooks, Recipe, RecordError, Times, resume, train
from fastcifar.train.step.epoch import begin_after, count_times, rate_after, step_rate, timed_epoch
from fastcifar.train.step.loop import Diverged, run_steps

RECIPE = Recipe(total_epoch=4, peak_epoch=2, peak_lr=0.4, batch_size=8)


def batches(*sizes):
    return iter([(torch.zeros(size, 3, 2, 2), torch.zeros(size)) for size in sizes])


def test_the_mean_is_over_images_and_not_over_batches():
    told = []
    found = run_steps(
        batches(4, 2),
        lambda number, images, labels: (torch.tensor(3.0 + number), torch.tensor(number + 1)),
        told.append,
    )
    assert found == (7 / 6, 3 / 6) and told == [0, 1]


def test_a_loss_that_is_not_finite_ends_the_epoch_at_its_step():
    told = []
    losses = [torch.tensor(1.0), torch.tensor(float("nan")), torch.tensor(1.0)]
    with pytest.raises(Diverged):
        run_steps(batches(2, 2, 2), lambda number, images, labels: (losses[number], torch.tensor(0)), told.append)
    assert told == [0]


def test_the_rate_of_a_step_is_that_of_its_end_for_the_summed_loss():
    rates = [step_rate(RECIPE, 0, step, 2) * 8 for step in (0, 1)]
    assert rates == pytest.approx([0.1, 0.2]) and rates[1] == rate_after(RECIPE, 1)


def test_a_row_has_both_parts_and_the_rate_at_the_end():
    row = timed_epoch(RECIPE, 1, lambda: (2.0, 0.25), lambda: (3.0, 0.5))
    losses = row.train_loss, row.train_acc, row.valid_loss, row.valid_acc
    assert (row.epoch, row.lr, losses) == (2, 0.4, (2.0, 0.25, 3.0, 0.5)) and row.train_time >= 0 <= row.valid_time


def test_times_are_sums_over_the_rows():
    row = EpochRow(
        epoch=1, lr=0.1, train_time=2.0, train_loss=1.0, train_acc=0.5, valid_time=0.5, valid_loss=1.0, valid_acc=0.5
    )
    times = Times(build=1.0)
    count_times(times, [row, row], 0.0)
    assert (times.build, times.train, times.evaluate) == (1.0, 4.0, 1.0) and times.wall > 0


def test_without_a_folder_a_training_begins_at_the_start():
    assert begin_after(None, {}, []) == (0, Times())


def test_a_checkpoint_ahead_of_the_rows_is_refused(recipe, images, tmp_path):
    def interrupt(epoch, step):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, images, device="cpu", out=tmp_path, hooks=Hooks(progress=interrupt))
    (folder,) = tmp_path.iterdir()
    lines = (folder / "epochs.csv").read_text().splitlines(keepends=True)
    (folder / "epochs.csv").write_text("".join(lines[:2]))
    with pytest.raises(RecordError, match=r"the checkpoint is of epoch 2, epochs\.csv is shorter"):
        resume(folder, images)
