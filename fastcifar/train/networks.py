"""The network of a recipe, and the sizes of the images that it trains on."""

from typing import Any

from fastcifar.data import SIDE
from fastcifar.net import Style, resnet9, speednet
from fastcifar.train.recipe.recipe import Recipe


def describe(recipe: Recipe, num_classes: int, leave_out: tuple[str, ...]) -> dict[str, Any]:
    """The recipe's network as a nested dict."""
    style = Style(
        activation=recipe.activation,
        pool_first=recipe.pool_first,
        train_bn_scale=recipe.train_bn_scale,
        bn_momentum=recipe.bn_momentum,
    )
    widths = recipe.channels
    if recipe.network == "speednet":
        widths = {layer: width for layer, width in widths.items() if layer != "prep"}
        return speednet(
            widths,
            num_classes,
            style=style,
            whiten=recipe.whiten,
            convs=recipe.convs,
            logits_weight=recipe.logits_weight,
        )
    return resnet9(
        widths,
        recipe.extra_layers,
        recipe.res_layers,
        recipe.ks,
        num_classes,
        recipe.logits_weight,
        leave_out,
        extra_widths=recipe.extra_widths,
        style=style,
        whiten=recipe.whiten,
        any_size=bool(recipe.sizes),
    )


def side_at(recipe: Recipe, epoch: int) -> int:
    """Side in pixels of the training images of `epoch` (from 0)."""
    for side, epochs in recipe.sizes.items():
        if epoch < epochs:
            return int(side)
        epoch -= epochs
    return SIDE


def step_kinds(recipe: Recipe, first: int = 0) -> list[tuple[int, bool]]:
    """The kinds of training steps from epoch `first` on, in their order: each shape of the tensors that they compute.

    A kind is (side in pixels of the images, whether the bias of the whitening convolution is trained).
    """
    epochs = range(first, recipe.total_epoch)
    trained = [not recipe.whiten or epoch < recipe.whiten_epochs for epoch in epochs]
    return list(dict.fromkeys(zip((side_at(recipe, epoch) for epoch in epochs), trained, strict=True)))
