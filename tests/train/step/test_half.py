"""fp16, as a GPU computes in it: nothing overflows, and the loss's scale changes no step."""

import dataclasses
import math

import pytest
import torch
from coloured import coloured
from half_emulated import EmulatedHalf

from fastcifar.train import Recipe, named_recipe, session, train
from fastcifar.train.build import build_state, init_weights
from fastcifar.train.step.loop import train_epoch
from fastcifar.train.step.precision import PRECISIONS, resolve_precision

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
SMALL = {"dataset": "synthetic", "batch_size": 32, "layer1": 8, "layer2": 8, "layer3": 8, "total_epoch": 1}
RESNET = Recipe().with_params({**SMALL, "prep": 4, "peak_lr": 0.1})
SPEEDRUN = named_recipe("speedrun94").with_params({**SMALL, "sizes": {"24": 1}})
BOUND = 2.0**13  # of gradients; fp16 goes up to 2^16


@pytest.mark.parametrize("precision", PRECISIONS[1:])
@pytest.mark.parametrize("recipe", [RESNET, SPEEDRUN], ids=["resnet9", "speednet"])
def test_a_whole_run_in_the_formats_of_a_gpu(recipe, precision, monkeypatch):
    monkeypatch.setattr(session, "resolve_precision", lambda name, device: resolve_precision(name, CUDA))
    monkeypatch.setattr(session, "product_rate", lambda *arguments: 1.0)
    images = coloured(96, 32)
    exact = train(recipe.with_params({"precision": "O0"}), images, device="cpu", step="eager")
    with EmulatedHalf() as emulated:
        result = train(recipe.with_params({"precision": precision}), images, device="cpu", step="eager")
    assert result.status == "finished" and emulated.largest < BOUND and (emulated.largest > 0) == (precision != "O0")
    assert math.isclose(result.epochs[0].train_loss, exact.epochs[0].train_loss, rel_tol=0.01)


def after_some_steps(recipe, loss_scale):
    """The weights after three steps in fp32."""
    precision = dataclasses.replace(resolve_precision("O0", CPU), loss_scale=loss_scale)
    state = build_state(recipe, 10, CPU, precision, "eager")
    init_weights(state, 0)
    generator = torch.Generator().manual_seed(0)
    pairs = [(torch.randn(32, 3, 32, 32, generator=generator), torch.arange(32) % 10) for _ in range(3)]
    batches = ((images.contiguous(memory_format=torch.channels_last), labels) for images, labels in pairs)
    losses = train_epoch(state, batches, lambda step: 1e-3, 0.0, lambda step: None)
    return state.weights, losses


@pytest.mark.parametrize("recipe", [RESNET, SPEEDRUN], ids=["SGD", "Muon"])
def test_a_scale_that_stays_changes_no_step(recipe):
    """A power of two changes no digit of what SGD does; Muon adds a tiny number to norms that it divides by."""
    (plain, losses), (scaled, its_losses) = (after_some_steps(recipe, scale) for scale in (1.0, 64.0))
    assert losses == pytest.approx(its_losses, rel=1e-5)
    for one, other in zip(plain, scaled, strict=True):
        if recipe is RESNET:
            assert torch.equal(one, other)
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_an_overflow_is_seen():
    """So that the bound above means something."""
    images = torch.full((1, 1, 3, 3), 300.0, dtype=torch.half, requires_grad=True)
    filters = torch.full((1, 1, 3, 3), 300.0, dtype=torch.half, requires_grad=True)
    with EmulatedHalf() as emulated:
        torch.nn.functional.conv2d(images, filters).float().mul(300.0).sum().backward()
    assert emulated.largest == float("inf")
