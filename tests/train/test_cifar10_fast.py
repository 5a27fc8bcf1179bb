"""The same weights and the same batches as davidcpage/cifar10-fast's own code (see cifar10_fast/make_reference.py)."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from fastcifar.train import Recipe
from fastcifar.train.build import build_state, init_weights
from fastcifar.train.optim.schedule import learning_rate
from fastcifar.train.step.loop import train_epoch
from fastcifar.train.step.precision import Precision

HERE = Path(__file__).parent / "cifar10_fast"
_spec = importlib.util.spec_from_file_location("cifar10_fast_inputs", HERE / "inputs.py")
inputs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(inputs)


@pytest.mark.parametrize(("name", "tolerance"), [("float64", 1e-6), ("float32", 1e-4)])
def test_twenty_steps_agree(name, tolerance):
    reference = np.load(HERE / f"{name}.npz")
    dtype = getattr(torch, name)
    recipe = Recipe(
        **inputs.CHANNELS,
        batch_size=inputs.BATCH_SIZE,
        base_wd=inputs.BASE_WD,
        momentum=inputs.MOMENTUM,
        total_epoch=inputs.TOTAL_EPOCH,
        peak_epoch=inputs.PEAK_EPOCH,
        peak_lr=inputs.CASES[name],
    )
    precision = Precision(name=name, images=dtype, weights=dtype, batch_norm=dtype)
    state = build_state(recipe, 10, torch.device("cpu"), precision, step="eager")
    init_weights(state, 0)
    with torch.no_grad():
        for index, weight in enumerate(state.network.parameters()):
            weight.copy_(torch.from_numpy(inputs.weight(index, tuple(weight.shape))))

    losses = []
    for step in range(inputs.STEPS):
        images, labels = (torch.from_numpy(x) for x in inputs.batch(step))
        batch = (images.to(dtype, memory_format=torch.channels_last), labels)
        epoch = (step + 1) / inputs.STEPS_PER_EPOCH
        lr = learning_rate(epoch, recipe.peak_lr, recipe.peak_epoch, recipe.total_epoch) / recipe.batch_size
        losses.append(train_epoch(state, iter([batch]), lambda _, lr=lr: lr, 0.0, lambda _: None)[0])

    def agree(ours, theirs):
        np.testing.assert_allclose(ours, theirs, atol=tolerance, rtol=0)

    agree(losses, reference["losses"])
    for index, weight in enumerate(state.network.parameters()):
        agree(weight.detach().numpy(), reference[f"weight_{index}"])
    norm = state.network.layer3_residual_res2_bn
    agree(norm.running_mean.numpy(), reference["mean"])
    agree(norm.running_var.numpy(), reference["var"])
