"""What only a GPU can show: recorded steps, kernels that repeat themselves, memory. Passed over where there is none."""

import gc
import math
from itertools import product

import pytest
import torch
from coloured import coloured

from fastcifar.data.augment import resize_folded, resize_plain
from fastcifar.data.upload import upload
from fastcifar.net import BatchNorm
from fastcifar.train import Recipe, named_recipe, train
from fastcifar.train.build import build_state, init_weights, warm_up
from fastcifar.train.device import kernels
from fastcifar.train.optim.muon import Muon
from fastcifar.train.optim.muon_batched import BatchedMuon
from fastcifar.train.step.loop import forward_backward, optimizer_step
from fastcifar.train.step.precision import resolve_precision
from fastcifar.train.whiten import train_whitening

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

SMALL = {"dataset": "synthetic", "batch_size": 64, "layer1": 32, "layer2": 32, "layer3": 32}
SPEEDRUN = named_recipe("speedrun94").with_params({**SMALL, "total_epoch": 3, "sizes": {"24": 1}})
RESNET = Recipe().with_params({**SMALL, "prep": 32, "total_epoch": 3, "peak_lr": 0.1, "sizes": {"24": 1}})


@pytest.fixture(scope="module")
def images():
    return coloured(640, 200)


WAYS = [*product(("O0", "O1", "O2", "half"), ("captured",)), ("O0", "compiled-captured"), ("half", "compiled-captured")]


@pytest.mark.parametrize(("precision", "step"), WAYS)
@pytest.mark.parametrize("recipe", [SPEEDRUN, RESNET], ids=["speednet", "resnet9"])
def test_a_recorded_pass_is_the_plain_one(recipe, precision, step):
    with kernels(torch.device("cuda"), deterministic=False):
        compare_passes(recipe, precision, step)


def compare_passes(recipe, precision, step):
    device, formats = torch.device("cuda"), resolve_precision(precision, torch.device("cuda"))
    found = []
    for one in ("eager", step):
        state = build_state(recipe, 10, device, formats, one)
        warm_up(state, 10, 64, {50}, product((24, 32), (True, False)))
        init_weights(state, 1)
        state.network.train()
        passes = []
        for number, (side, trained) in enumerate([(24, True), (32, True), (32, False), (24, False)]):
            train_whitening(state.network, trained)
            generator = torch.Generator().manual_seed(number)
            batch = torch.randn(64, 3, side, side, generator=generator).to(device, formats.images)
            batch = batch.contiguous(memory_format=torch.channels_last)
            labels = torch.randint(0, 10, (64,), generator=generator).to(device)
            if state.captured:
                loss, right, logits = state.captured(batch, labels, 0.0)
                assert int(right) == int((logits.argmax(1) == labels).sum())
            else:
                logits, loss = forward_backward(state, batch, labels, recipe.label_smoothing)
            gradients = [None if weight.grad is None else weight.grad.float().clone() for weight in state.weights]
            statistics = [m.running_mean.clone() for m in state.network.modules() if isinstance(m, BatchNorm)]
            if not state.captured and not state.scaler:
                optimizer_step(state, 0.0)  # which is recorded too, and leaves the gradients as they are
            passes.append((logits.float().clone(), float(loss), gradients, statistics))
        found.append(passes)
    close = 0.01 if precision == "O0" else 0.1  # a maximum that falls the other way changes a gradient by a percent
    for (logits, loss, gradients, means), (other, its_loss, its_gradients, its_means) in zip(*found, strict=True):
        assert (logits - other).norm() <= close * logits.norm() and math.isclose(loss, its_loss, rel_tol=close)
        for mine, twins in zip(gradients, its_gradients, strict=True):
            assert (mine is None) == (twins is None)
            assert mine is None or (mine - twins).norm() <= 3 * close * mine.norm() + 1e-5
        for mine, twins in zip(means, its_means, strict=True):
            torch.testing.assert_close(mine.float(), twins.float(), rtol=close, atol=close)


@pytest.mark.parametrize("step", ["eager", "captured"])
@pytest.mark.parametrize("recipe", [SPEEDRUN, RESNET], ids=["speednet", "resnet9"])
def test_it_learns(recipe, images, step):
    result = train(recipe.with_params({"total_epoch": 6}), images, device="cuda", step=step)
    assert result.status == "finished" and result.epochs[-1].train_acc > 0.3  # chance is 0.1
    assert result.tta_acc is None or result.tta_acc > 0.2


@pytest.mark.parametrize("recipe", [SPEEDRUN, RESNET], ids=["speednet", "resnet9"])
def test_a_recorded_training_is_the_plain_one(recipe, images):
    """To what order the sums of a kernel are made in; the first epochs, before such differences grow."""
    short = recipe.with_params(
        {"precision": "O0", "total_epoch": 2, "sizes": {"24": 1}, "peak_lr": 0.01, "muon_lr": 0.01}
    )
    results = [train(short, images, device="cuda", step=step) for step in ("eager", "captured")]
    for plain, recorded in zip(*(result.epochs for result in results), strict=True):
        assert math.isclose(plain.train_loss, recorded.train_loss, rel_tol=2e-3)


def test_what_a_gpu_does_instead_is_the_same():
    """Resizing in one image, kernels in one batch, copies in parts: beside the plain ways, on the GPU."""
    device, generator = torch.device("cuda"), torch.Generator().manual_seed(0)
    images = torch.randn(500, 3, 32, 32, generator=generator).to(device, torch.half)
    images = images.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(resize_folded(images, 24), resize_plain(images, 24), atol=4e-3, rtol=0)
    values = torch.randint(0, 256, (2**25 + 77, 1), generator=generator, dtype=torch.uint8)
    assert torch.equal(upload(values, device).cpu(), values)
    shapes, found = [(64, 24, 3, 3), (64, 64, 3, 3), (16, 3, 1, 1), (64, 64, 3, 3)], []
    for kind in (Muon, BatchedMuon):
        generator.manual_seed(1)
        weights = [torch.randn(shape, generator=generator).to(device) for shape in shapes]
        weights = [weight.contiguous(memory_format=torch.channels_last) for weight in weights]
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=generator).to(weight)
        optimizer = kind(weights, factors=[1.0] * 4, momentum=0.6, steps=3, dtype=torch.bfloat16)
        optimizer.lr = 0.05
        optimizer.step()
        found.append(weights)
    for plain, batched in zip(*found, strict=True):
        torch.testing.assert_close(plain, batched, atol=5e-4, rtol=0)


@pytest.mark.parametrize("step", ["eager", "captured"])
def test_a_run_that_has_to_repeats_itself(images, step):
    """After one that need not, in the same process."""
    train(RESNET, images, device="cuda", step=step)
    first, second = (train(RESNET, images, device="cuda", step=step, deterministic=True) for _ in range(2))
    assert [row.train_loss for row in first.epochs] == [row.train_loss for row in second.epochs]


def test_recordings_leave_no_memory_behind(images):
    train(SPEEDRUN, images, device="cuda", step="captured")
    before = memory_in_use()
    for _ in range(3):
        train(SPEEDRUN, images, device="cuda", step="captured")
    assert memory_in_use() <= before + 2**20


def test_products_in_fp32_are_exact():
    """A convolution and a product of matrices, whatever the process has set. TF32 is off by about 3e-4."""
    generator = torch.Generator().manual_seed(0)
    images, filters = torch.randn(64, 32, 16, 16, generator=generator), torch.randn(32, 32, 3, 3, generator=generator)
    exact = torch.nn.functional.conv2d(images.double(), filters.double(), padding=1)
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    try:
        with kernels(torch.device("cuda"), deterministic=False):
            found = torch.nn.functional.conv2d(images.cuda(), filters.cuda(), padding=1)
            square = images.cuda().view(-1, 256) @ images.cuda().view(-1, 256).T
    finally:
        torch.backends.cuda.matmul.fp32_precision = "none"
    for value, right in ((found, exact), (square, images.double().view(-1, 256) @ images.double().view(-1, 256).T)):
        assert (value.double().cpu() - right).norm() < 1e-5 * right.norm()


def memory_in_use() -> int:
    """Bytes, without those of recordings that nothing refers to any more but themselves."""
    gc.collect()
    return torch.cuda.memory_allocated()


def test_recordings_share_their_memory():
    """Of two sides, with a bias that is trained and not: each but the largest adds its gradients and outputs alone."""
    recipe, device = SPEEDRUN.with_params({"batch_size": 1024}), torch.device("cuda")
    reserved = []
    with kernels(device, deterministic=False):
        for kinds in ([(32, True)], [*product((24, 32), (True, False))]):
            gc.collect()
            torch.cuda.empty_cache()
            before = torch.cuda.memory_reserved()
            state = build_state(recipe, 10, device, resolve_precision("half", device), "captured")
            warm_up(state, 10, 1024, {50}, kinds)
            torch.cuda.empty_cache()
            reserved.append(torch.cuda.memory_reserved() - before)
            del state
    assert reserved[1] < 1.7 * reserved[0]
