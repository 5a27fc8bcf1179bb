"""What a GPU does with an epoch's plan, beside the plain way."""

import dataclasses

import pytest
import torch

from fastcifar.data import Augmentation, Batches, Split
from fastcifar.data.augment import cut_out, cut_out_squares, draw_plan, places, squares
from fastcifar.data.epoch import Epoch
from fastcifar.data.upload import upload

CPU = torch.device("cpu")
WAYS = [
    Augmentation(shift=4, flip="random", cutout=8),
    Augmentation(shift=2, flip="alternating"),
    Augmentation(flip="random", contrast=0.2),
    Augmentation(cutout=5, brightness=0.1),
    Augmentation(),
]


@pytest.mark.parametrize("augmentation", WAYS)
def test_places_of_all_images_at_once_are_those_of_each_batch(augmentation):
    pixels = torch.randn(30 * 1024, 3, generator=torch.Generator().manual_seed(0))
    plain = Epoch.draw(30, augmentation, 1, 2, CPU, torch.float32)
    plan = plain.plan
    assert plain.places is None and plain.square is None
    square = squares(plan.cutout, augmentation.cutout) if augmentation.cutout else None
    at_once = dataclasses.replace(plain, places=places(plan.order, plan.shift, plan.flip), square=square)
    for start in (0, 10, 20):
        part = slice(start, start + 10)
        images = [one.change(one.take(pixels, part), part) for one in (plain, at_once)]
        assert torch.equal(*images) and images[0].shape == (10, 32, 32, 3)


def test_squares_are_the_plain_cutout():
    corner = torch.tensor([[0, 0], [24, 10], [5, 24]])
    plain, masked = (torch.ones(3, 32, 32, 3) for _ in range(2))
    assert torch.equal(cut_out(plain, corner, 8), cut_out_squares(masked, *squares(corner, 8)))
    assert int((masked == 0).sum()) == 3 * 3 * 64


@pytest.mark.parametrize("augmentation", WAYS)
def test_what_is_not_done_has_no_rows_and_changes_nothing_else(augmentation):
    """The same seed gives the same order and squares, whatever else is done."""
    plan = draw_plan(100, augmentation, seed=4, epoch=1)
    whole = draw_plan(100, Augmentation(shift=4, flip="random", cutout=augmentation.cutout, contrast=0.5), 4, 1)
    assert torch.equal(plan.order, whole.order)
    assert len(plan.shift) == (100 if augmentation.shift else 0)
    assert len(plan.flip) == (0 if augmentation.flip == "none" else 100)
    assert len(plan.jitter) == (100 if augmentation.contrast or augmentation.brightness else 0)
    assert torch.equal(plan.cutout, whole.cutout if augmentation.cutout else torch.empty(0, 2, dtype=torch.int64))
    if augmentation.flip == "random":
        assert torch.equal(plan.flip, whole.flip)


def test_the_next_epoch_is_drawn_while_the_device_is_busy(monkeypatch):
    drawn = []

    def watched(num_images, augmentation, seed, epoch):
        drawn.append(epoch)
        return draw_plan(num_images, augmentation, seed, epoch)

    monkeypatch.setattr("fastcifar.data.epoch.draw_plan", watched)
    images = torch.zeros(20, 32, 32, 3, dtype=torch.uint8).numpy()
    split = Split(images=images, labels=torch.zeros(20, dtype=torch.int64).numpy())
    settings = {"batch_size": 10, "mean": (1.0,) * 3, "std": (1.0,) * 3, "augmentation": WAYS[0]}
    on_device = Batches(split, device="meta", **settings)
    batches = on_device.epoch(0)
    assert next(batches)[0].shape == (10, 3, 32, 32) and drawn == [0]
    assert len(list(batches)) == 1 and drawn == [0, 1]
    assert len(list(on_device.epoch(1))) == 2 and drawn == [0, 1, 2]
    next(on_device.epoch(5))  # another than was expected
    assert drawn == [0, 1, 2, 5]
    list(Batches(split, **settings).epoch(0))  # a CPU has nothing better to do
    assert drawn == [0, 1, 2, 5, 0]


def test_an_upload_is_whole(monkeypatch):
    pinned, empty = [], torch.empty

    def pin(values):
        pinned.append(values.nbytes)
        return values

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    monkeypatch.setattr(torch, "empty", lambda shape, dtype, device: empty(shape, dtype=dtype))
    monkeypatch.setattr("fastcifar.data.upload.PART", 1000)
    values = torch.arange(2 * 3 * 157, dtype=torch.int16).view(157, 6)
    assert torch.equal(upload(values, torch.device("cuda")), values)
    assert len(pinned) == 2 and max(pinned) <= 1000 and sum(pinned) == values.nbytes
    assert upload(values, CPU) is values
