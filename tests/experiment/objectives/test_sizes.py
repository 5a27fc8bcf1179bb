"""Sizes of networks for limits and records: `flops` and `parameters` must see every field that decides them."""

import dataclasses

import pytest

from fastcifar.data import num_classes
from fastcifar.experiment.objectives.training.sizes import flops, parameters
from fastcifar.net import count_flops
from fastcifar.train import Recipe, describe_network

RESNET = {"prep": 4, "layer1": 4, "layer2": 8, "layer3": 8, "extra_layers": {"layer1": 1}}
SPEEDNET = {"network": "speednet", "layer1": 4, "layer2": 8, "layer3": 8}
CHANGES = {  # a valid value that is not the default, or several, for every field of a recipe
    "dataset": ["cifar100"],
    "train_images": [1000],
    "total_epoch": [7],
    "batch_size": [64],
    "peak_lr": [0.1],
    "peak_epoch": [2],
    "lr_start": [0.1],
    "lr_end": [0.1],
    "momentum": [0.5],
    "base_wd": [1e-3],
    "bias_lr": [0.1],
    "head_lr": [0.1],
    "optimizer": ["muon"],
    "muon_lr": [0.1],
    "muon_momentum": [0.5],
    "muon_steps": [5],
    "averaging": ["tail"],
    "average_every": [2],
    "average_decay": [0.5],
    "tail_epochs": [1.0],
    "label_smoothing": [0.1],
    "lr_scale": [{"prep": 0.5}],
    "lr_instead": [[0.1] * 26],
    "network": ["speednet"],
    "prep": [8],
    "layer1": [8],
    "layer2": [12],
    "layer3": [12],
    "convs": [3],
    "extra_layers": [{"prep": 2}],
    "extra_widths": [{"layer1/extra": 12}],
    "res_layers": [["layer1"], []],
    "ks": [5, {"prep": 5, "layer1": 3, "layer2": 3, "layer3": 3}],
    "leave_out": [["layer1/extra"]],
    "whiten": [2, 3],
    "whiten_images": [100],
    "whiten_epochs": [1],
    "activation": ["gelu", "silu"],
    "pool_first": [True],
    "train_bn_scale": [False],
    "bn_momentum": [0.3],
    "identity_init": [True],
    "logits_weight": [0.5],
    "unit_head": [True],
    "cutout": [4],
    "shift": [2],
    "flip": ["none"],
    "brightness": [0.1],
    "contrast": [0.1],
    "sizes": [{"16": 1}],
    "tta": ["six"],
    "tta_share": [0.5],
    "precision": ["O0"],
}


def counted(recipe: Recipe) -> tuple[int, int]:
    """FLOPs and parameters of the network that is built from the whole recipe."""
    network = describe_network(recipe, num_classes(recipe.dataset))
    return count_flops(network), sum(weight.numel() for weight in network.parameters())


def test_every_field_of_a_recipe_is_changed_here():
    assert set(CHANGES) == {field.name for field in dataclasses.fields(Recipe)}


@pytest.mark.parametrize("base", [RESNET, SPEEDNET], ids=["resnet9", "speednet"])
def test_sizes_are_those_of_the_network_that_is_built(base):
    whole, fits = Recipe().with_params(base), set()
    assert (flops(whole), parameters(whole)) == counted(whole)
    for name, values in CHANGES.items():
        for value in values:
            try:
                changed = whole.with_params({name: value})
                sizes = counted(changed)
            except ValueError:  # a field of the other network
                continue
            fits.add(name)
            assert (flops(changed), parameters(changed)) == sizes, (name, value)
    assert len(fits) > 40 and {"layer1", "whiten", "pool_first", "dataset"} <= fits
