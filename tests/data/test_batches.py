import dataclasses

import numpy as np
import pytest
import torch

from fastcifar.data import Augmentation, Batches, Dataset, Split, statistics
from fastcifar.data.augment import crop, cut_out, draw_plan, resize, resize_folded, resize_plain

MEAN, STD = (125.0, 120.0, 110.0), (60.0, 62.0, 66.0)
RANDOM = Augmentation(shift=4, flip="random", cutout=8)


def make_split(size: int, seed: int = 0) -> Split:
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (size, 32, 32, 3), dtype=np.uint8)
    return Split(images=images, labels=np.arange(size, dtype=np.int64) % 10)


def augmented(image: np.ndarray, shift: tuple[int, int], flip: bool) -> np.ndarray:
    """The plain way: pad with reflection, crop, flip. (32, 32, 3) to (32, 32, 3)."""
    pad = 31
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="reflect")
    cropped = padded[pad + shift[0] : pad + shift[0] + 32, pad + shift[1] : pad + shift[1] + 32]
    return cropped[:, ::-1] if flip else cropped


@pytest.mark.parametrize("largest", [0, 4, 31])
def test_crop_is_pad_crop_flip(largest):
    split = make_split(40)
    generator = np.random.default_rng(1)
    number = generator.integers(0, 40, 60)
    shift = generator.integers(-largest, largest + 1, (60, 2))
    flip = generator.random(60) < 0.5
    pixels = torch.from_numpy(split.images).view(-1, 3)
    out = crop(pixels, torch.from_numpy(number), torch.from_numpy(shift), torch.from_numpy(flip))
    for i in range(60):
        np.testing.assert_array_equal(out[i].numpy(), augmented(split.images[number[i]], shift[i], flip[i]))


def test_cut_out_zeroes_the_square_only():
    images = torch.ones(3, 32, 32, 3)
    corner = torch.tensor([[0, 0], [24, 10], [5, 24]])
    cut_out(images, corner, 8)
    for image, (row, column) in zip(images, corner.tolist(), strict=True):
        expected = np.ones((32, 32, 3), dtype=np.float32)
        expected[row : row + 8, column : column + 8] = 0
        np.testing.assert_array_equal(image.numpy(), expected)


@pytest.mark.parametrize("storage", ["dtype", "uint8"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_training_batches_follow_the_plan(storage, dtype):
    split = make_split(50)
    batches = Batches(
        split, batch_size=16, mean=MEAN, std=STD, augmentation=RANDOM, seed=3, dtype=dtype, storage=storage
    )
    plan = draw_plan(50, RANDOM, seed=3, epoch=5)
    got = list(batches.epoch(5))
    assert len(got) == len(batches) == 3  # the last 2 of 50 images are dropped
    for b, (images, labels) in enumerate(got):
        assert images.dtype == dtype and images.shape == (16, 3, 32, 32)
        assert images.is_contiguous(memory_format=torch.channels_last)
        for i in range(16):
            at = 16 * b + i
            source = split.images[plan.order[at]]
            expected = augmented(source, plan.shift[at].tolist(), bool(plan.flip[at])).astype(np.float32)
            expected = (expected - np.float32(MEAN)) * (np.float32(1) / np.float32(STD))
            row, column = plan.cutout[at].tolist()
            expected[row : row + 8, column : column + 8] = 0
            assert torch.equal(images[i], torch.from_numpy(expected).to(dtype).permute(2, 0, 1))
            assert labels[i] == split.labels[plan.order[at]]


def test_evaluation_batches_are_all_images_in_order():
    split = make_split(50)
    batches = Batches(split, batch_size=16, mean=MEAN, std=STD)
    got = list(batches.epoch())
    assert [len(labels) for _, labels in got] == [16, 16, 16, 2] and len(batches) == 4
    images = torch.cat([images for images, _ in got]).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(images, (split.images - np.float32(MEAN)) / np.float32(STD), atol=1e-6)
    assert torch.cat([labels for _, labels in got]).tolist() == split.labels.tolist()


def test_every_image_once_an_epoch_and_another_order_each_time():
    batches = Batches(make_split(64), batch_size=16, mean=MEAN, std=STD, augmentation=Augmentation(), storage="uint8")
    keys = [torch.cat([images for images, _ in batches.epoch(e)]).sum((1, 2, 3)).tolist() for e in range(2)]
    assert len(set(keys[0])) == 64 and sorted(keys[0]) == sorted(keys[1]) and keys[0] != keys[1]


def test_offsets_are_uniform():
    n = 40_000
    plan = draw_plan(n, RANDOM, seed=0, epoch=0)
    assert sorted(plan.order.tolist()) == list(range(n))
    for values, levels in (
        (plan.shift[:, 0] + 4, 9),
        (plan.shift[:, 1] + 4, 9),
        (plan.cutout[:, 0], 25),
        (plan.cutout[:, 1], 25),
        (plan.flip.long(), 2),
    ):
        counts = torch.bincount(values, minlength=levels).double()
        assert len(counts) == levels
        chi_squared = float(((counts - n / levels) ** 2 / (n / levels)).sum())
        # 5 standard deviations of chi squared: a fixed seed, so this either holds for good or shows a fault.
        assert chi_squared < levels - 1 + 5 * (2 * (levels - 1)) ** 0.5
    rows, columns = plan.shift.double().T
    assert abs(float(((rows - rows.mean()) * (columns - columns.mean())).mean())) < 0.2  # independent; variance is 6.7


def test_alternating_flip_mirrors_each_image_every_other_epoch():
    augmentation = Augmentation(flip="alternating")
    flips = []
    for epoch in range(4):
        plan = draw_plan(1000, augmentation, seed=0, epoch=epoch)
        by_image = torch.empty(1000, dtype=torch.bool)
        by_image[plan.order] = plan.flip
        flips.append(by_image)
    assert torch.equal(flips[0], ~flips[1]) and torch.equal(flips[0], flips[2]) and torch.equal(flips[1], flips[3])
    assert 400 < int(flips[0].sum()) < 600


def test_contrast_and_brightness_follow_the_plan():
    split, augmentation = make_split(40), Augmentation(contrast=0.2, brightness=0.5, cutout=8)
    batches = Batches(split, batch_size=20, mean=MEAN, std=STD, augmentation=augmentation, seed=1)
    plan = draw_plan(40, augmentation, seed=1, epoch=2)
    plain = (torch.from_numpy(split.images).float() - torch.tensor(MEAN)) / torch.tensor(STD)
    for b, (images, _) in enumerate(batches.epoch(2)):
        for i, image in enumerate(images.permute(0, 2, 3, 1), start=20 * b):
            factor, term = plan.jitter[i]
            expected = plain[plan.order[i]] * factor + term
            row, column = plan.cutout[i]
            expected[row : row + 8, column : column + 8] = 0
            torch.testing.assert_close(image, expected, atol=1e-5, rtol=0)
    many = draw_plan(20_000, augmentation, seed=1, epoch=0).jitter
    assert many[:, 0].min() < 0.81 and many[:, 0].max() > 1.19 and abs(many[:, 0].mean() - 1) < 0.005
    assert many[:, 1].min() < -0.49 and many[:, 1].max() > 0.49 and abs(many[:, 1].mean()) < 0.01


@pytest.mark.parametrize("side", [16, 24, 28])
def test_smaller_images_are_the_same_scene(side):
    ramp = torch.arange(32.0).expand(2, 3, 32, 32)
    small = resize(ramp, side)
    assert small.shape == (2, 3, side, side) and small.is_contiguous(memory_format=torch.channels_last)
    # Pixel i of the small image lies at (i + 1/2) * 32 / side - 1/2 of the large one.
    expected = (torch.arange(side) + 0.5) * 32 / side - 0.5
    torch.testing.assert_close(small, expected.expand(2, 3, side, side), atol=1e-5, rtol=0)
    split = make_split(16)
    batches = Batches(split, batch_size=8, mean=MEAN, std=STD, augmentation=RANDOM, dtype=torch.bfloat16)
    large, little = (next(batches.epoch(0, s))[0] for s in (32, side))
    assert torch.equal(resize(large, side), little) and little.dtype == torch.bfloat16


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float32, 5e-7), (torch.float16, 2e-3), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("side", [16, 24, 28])
def test_folded_resizing_is_the_plain_one(dtype, rounding, side, monkeypatch):
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0)).to(dtype)
    images = images.contiguous(memory_format=torch.channels_last)
    plain, layouts = resize_plain(images, side), []
    interpolate = torch.nn.functional.interpolate

    def watched(inputs, **options):
        layouts.append((inputs.shape[1], inputs.stride(), inputs.to(memory_format=torch.channels_last) is inputs))
        outputs = interpolate(inputs, **options)
        layouts.append((outputs.shape[1], outputs.stride(), True))
        return outputs

    monkeypatch.setattr(torch.nn.functional, "interpolate", watched)
    folded = resize_folded(images, side)
    torch.testing.assert_close(folded, plain, atol=rounding, rtol=0)
    assert folded.stride() == plain.stride() == (3 * side**2, 1, 3 * side, 3)
    # Channels last, by strides that torch takes for that, or its kernel for a GPU is the slow one.
    wanted = [(15, (15 * s**2, 1, 15 * s, 15), True) for s in (32, side)]
    assert layouts == wanted


def test_plans_depend_on_seed_and_epoch_only():
    def columns(seed, epoch):
        return vars(draw_plan(100, dataclasses.replace(RANDOM, contrast=0.1), seed, epoch)).values()

    assert all(torch.equal(a, b) for a, b in zip(columns(1, 2), columns(1, 2), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(columns(1, 2), columns(1, 3), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(columns(1, 2), columns(2, 2), strict=True))


def test_global_generators_are_left_alone():
    before = torch.get_rng_state()
    list(Batches(make_split(32), batch_size=16, mean=MEAN, std=STD, augmentation=RANDOM).epoch(0))
    assert torch.equal(before, torch.get_rng_state())


def test_statistics_of_other_data_are_measured():
    split = make_split(200)
    dataset = Dataset(
        name="synthetic", train=split, test=split, classes=("a",), fingerprint="", canonical=False, source=""
    )
    mean, std = statistics(dataset)
    np.testing.assert_allclose(mean, split.images.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(std, split.images.std((0, 1, 2)), rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "word"), [({"shift": 32}, "shift"), ({"flip": "up"}, "up"), ({"cutout": 33}, "cutout")]
)
def test_bad_augmentation(settings, word):
    with pytest.raises(ValueError, match=word):
        Augmentation(**settings)


def test_batch_larger_than_the_split():
    with pytest.raises(ValueError, match="batch_size: 64 is more than the 50 images"):
        Batches(make_split(50), batch_size=64, mean=MEAN, std=STD, augmentation=RANDOM)


def test_iterating_is_the_next_epoch_and_asking_for_one_is_not():
    settings = {"batch_size": 16, "mean": MEAN, "std": STD, "seed": 7}
    batches = Batches(make_split(50), augmentation=RANDOM, **settings)
    first, second = list(batches), list(batches)
    assert len(first) == len(batches) == 3
    for epoch, got in ((0, first), (1, second)):
        for (images, labels), (wanted, named) in zip(got, batches.epoch(epoch), strict=True):
            assert torch.equal(images, wanted) and torch.equal(labels, named)
    assert not torch.equal(first[0][0], second[0][0])
    for _ in batches:
        break  # an epoch that was left has been begun
    assert torch.equal(next(iter(batches))[0], next(batches.epoch(3))[0])
    plain = Batches(make_split(50), **settings)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(plain, plain, strict=True))


def test_what_a_prompt_shows():
    split = make_split(1050)
    batches = Batches(split, batch_size=16, mean=MEAN, std=STD, augmentation=RANDOM, dtype=torch.bfloat16)
    assert repr(split) == "Split(1,050 images)"
    assert repr(batches) == "Batches(1,050 images, 65 batches of 16, augmented, seed 0, bfloat16 on cpu)"
    plain = Batches(split, batch_size=1000, mean=MEAN, std=STD)
    assert repr(plain) == "Batches(1,050 images, 2 batches of 1000, in order, float32 on cpu)"
    dataset = Dataset(
        name="cifar10", train=split, test=split, classes=("a", "b"), fingerprint="0", canonical=True, source="/data"
    )
    assert repr(dataset) == "Dataset(cifar10: 1,050 train and 1,050 test images, 2 classes, canonical, /data)"
