"""A step of each recipe as a GPU would be given it, by counts on torch's `meta` device."""

import numpy as np
import pytest
import torch
from launches import Launches

from fastcifar.data import Split
from fastcifar.train import named_recipe
from fastcifar.train.build import build_state
from fastcifar.train.images import training_batches
from fastcifar.train.networks import step_kinds
from fastcifar.train.recipe.named import recipe_names
from fastcifar.train.step.loop import step_of
from fastcifar.train.step.precision import resolve_precision
from fastcifar.train.whiten import train_whitening

META, CUDA = torch.device("meta"), torch.device("cuda")
# Launches of a step with its batch, the most of those that the recipe makes. They may be lowered, not raised.
BUDGETS = dict.fromkeys(recipe_names(), 106) | {
    "resnet9-extra": 102,
    "speedrun94": 133,
    "speedrun94-cpu": 133,
    "speedrun95": 103,
    "speedrun96": 132,
}


@pytest.mark.parametrize("name", recipe_names())
def test_a_step_waits_for_nothing_and_keeps_to_its_budget(name):
    recipe = named_recipe(name)
    batch = recipe.batch_size
    blank = Split(images=np.zeros((2 * batch, 32, 32, 3), np.uint8), labels=np.zeros(2 * batch, np.int64))
    precision = resolve_precision("half", CUDA)
    state = build_state(recipe, 100 if "100" in name else 10, META, precision, "eager")
    on_device = {"mean": (1.0,) * 3, "std": (1.0,) * 3, "device": META, "dtype": precision.images}
    batches = training_batches(recipe, blank, 0, **on_device)
    state.network.train()
    counts, rate = [], torch.zeros((), dtype=torch.float64, device=META)
    for side, trained in step_kinds(recipe):
        train_whitening(state.network, trained)
        epoch = batches.epoch(0, side)
        step_of(state, *next(epoch), rate, recipe.label_smoothing)  # tables are made in the first
        with Launches() as launches:
            images, labels = next(epoch)
            step_of(state, images, labels, rate, recipe.label_smoothing)
        assert launches.waits == []
        assert images.is_contiguous(memory_format=torch.channels_last) and images.shape[2] == side
        for weight in state.weights:
            assert weight.grad is None or weight.grad.stride() == weight.stride()
        counts.append(launches.count)
    assert max(counts) <= BUDGETS[name], launches.names


def test_what_is_counted():
    """And what would not be let through."""
    a, b = (torch.empty(4, 3, device=META) for _ in range(2))
    with Launches() as launches:
        a.view(12)[None].add(1)  # one; views are free
        torch._foreach_add_([a, a], [b, b])  # one
        torch._foreach_add_([a, a], [b, b.view(3, 4).t()])  # two: other strides
        torch._foreach_mul_([a, a], torch.empty((), device=META))
        torch._foreach_mul_([a, a], torch.empty((), dtype=torch.float64, device=META))  # two: another format
        torch.zeros(3).add(1)  # the CPU's own
    assert launches.count == 1 + 1 + 2 + 1 + 2 and launches.waits == []
    with Launches() as launches:
        a.copy_(torch.zeros(4, 3))
        torch.zeros(3).to(META)
    assert launches.waits == ["copy_", "_to_copy"]
    with Launches() as launches, pytest.raises(RuntimeError):
        a.sum().item()
    assert launches.waits == ["_local_scalar_dense"]
