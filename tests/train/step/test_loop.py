import dataclasses

import pytest
import torch

from fastcifar.train.build import build_state, init_weights
from fastcifar.train.step.loop import train_epoch
from fastcifar.train.step.precision import resolve_precision

CPU = torch.device("cpu")


def make_state(recipe, precision, **changes):
    state = build_state(recipe, 10, CPU, dataclasses.replace(resolve_precision(precision, CPU), **changes), False)
    init_weights(state, 0)
    return state


def batches(precision, count=3):
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        images = torch.randn(32, 3, 32, 32, generator=generator).to(resolve_precision(precision, CPU).images)
        yield images.contiguous(memory_format=torch.channels_last), torch.arange(32) % 10


def run(state, precision, lr):
    return train_epoch(state, batches(precision), lambda step: lr, 0.0, lambda step: None)


@pytest.mark.parametrize("precision", ["O1", "O2"])
def test_a_scaled_loss_trains_as_an_unscaled_one(recipe, precision):
    """What fp16 does on CUDA, with scales that are powers of two and so change no digit of bf16 and fp32."""
    plain, scaled = make_state(recipe, precision), make_state(recipe, precision, scale_loss=True)
    assert scaled.scaler is not None and plain.scaler is None
    assert run(plain, precision, 1e-4) == run(scaled, precision, 1e-4)
    for a, b in zip(plain.optimizer.weights, scaled.optimizer.weights, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("precision", ["O1", "O2"])
def test_a_step_whose_gradients_overflow_is_left_out(recipe, precision):
    state = make_state(recipe, precision, scale_loss=True)
    before = [weight.clone() for weight in state.optimizer.weights]
    state.scaler.load_state_dict({**state.scaler.state_dict(), "scale": 3e38})
    train_epoch(state, batches(precision, 1), lambda step: 1e-4, 0.0, lambda step: None)
    assert state.scaler.get_scale() < 3e38
    assert all(torch.equal(a, b) for a, b in zip(before, state.optimizer.weights, strict=True))


def test_master_copies_keep_steps_that_bf16_loses(recipe):
    recipe = recipe.with_params({"base_wd": 0})
    moved = {}
    for precision in ("half", "O2"):
        state = make_state(recipe, precision)
        before = [weight.clone() for weight in state.optimizer.weights]
        run(state, precision, 1e-9)
        pairs = zip(before, state.optimizer.weights, strict=True)
        moved[precision] = sum(int((a != b).sum()) for a, b in pairs if a.ndim == 4)
    assert moved["O2"] > 100 * max(moved["half"], 1)
