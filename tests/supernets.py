"""A small space, its networks as slow references, and images with a holdout."""

import torch
import torch.nn.functional as F
from coloured import coloured

from fastcifar.search import Space
from fastcifar.supernet import Choices, Plan, Supernet
from fastcifar.train import Recipe
from fastcifar.train.step.precision import Precision, resolve_precision

ENTRIES = {
    "prep": {"_type": "choice", "_value": [2, 4]},
    "layer1": {"_type": "choice", "_value": [4, 8]},
    "ks.layer1": {"_type": "choice", "_value": [3, 5]},
    "extra_layers.layer1": {"_type": "randint", "_value": [0, 3]},
    "extra_widths.layer1/extra": {"_type": "choice", "_value": [3, 6]},
    "res_layers": {"_type": "choice", "_value": [["layer1", "layer3"], ["layer3"], []]},
}
LEFT_OUT = {  # of LONGER
    "layer1": {"_type": "choice", "_value": [4, 8]},
    "leave_out": {"_type": "choice", "_value": [["layer1/extra", "layer3/residual"], ["layer1/extra"], []]},
}
WIDTHS = {layer: {"_type": "choice", "_value": [4, 8]} for layer in ("prep", "layer1", "layer2", "layer3")}
RECIPE = Recipe(
    dataset="synthetic",
    prep=4,
    layer1=8,
    layer2=8,
    layer3=8,
    batch_size=32,
    total_epoch=2,
    train_images=128,
    peak_lr=0.1,
    precision="O0",
)


LONGER = RECIPE.with_params({"extra_layers": {"layer1": 2}})
HELD_OUT = 1_000  # images


def images():
    """Some for the holdout, where that is of HELD_OUT, and a few to train on."""
    return coloured(HELD_OUT + 700, 10)


def supernet(entries=ENTRIES, seed=0, step="eager", precision="O0", recipe=RECIPE):
    device = torch.device("cpu")
    double = Precision(name="double", images=torch.float64, weights=torch.float64, batch_norm=torch.float64)
    formats = double if precision == "double" else resolve_precision(precision, device)
    made = Supernet(Choices(recipe, Space.from_dict(entries)), 10, device, formats, step)
    made.init(seed)
    return made


def plan(entries=WIDTHS, **changes):
    return Plan(**{"recipe": RECIPE, "space": entries, "method": "uniform", **changes})


def batch(size=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, 3, 32, 32, generator=generator), torch.randint(0, 10, (size,), generator=generator)


def reference(weights, recipe, x):
    """Logits of a network, normalised by the batch: its layers written out, with parts of `weights` by path."""

    def block(x, path, width, kernel):
        weight = weights[f"{path}/conv/weight"]
        cut = (weight.shape[2] - kernel) // 2
        weight = weight[:width, : x.shape[1], cut : cut + kernel, cut : cut + kernel]
        scale, bias = weights[f"{path}/bn/weight"][:width], weights[f"{path}/bn/bias"][:width]
        x = F.conv2d(x, weight, padding=kernel // 2)
        mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
        x = (x - mean) / (variance + 1e-5).sqrt() * scale[:, None, None] + bias[:, None, None]
        return x.clamp(min=0)

    for layer in ("prep", "layer1", "layer2", "layer3"):
        width = getattr(recipe, layer)
        kernel = recipe.ks if isinstance(recipe.ks, int) else recipe.ks.get(layer, 3)
        x = block(x, layer, width, kernel)
        if layer != "prep":
            x = F.max_pool2d(x, 2)
        if layer in recipe.res_layers and f"{layer}/residual" not in recipe.leave_out:
            x = x + block(block(x, f"{layer}/residual/res1", width, kernel), f"{layer}/residual/res2", width, kernel)
        for name in ("extra", "extra_1", "extra_2", "extra_3")[: recipe.extra_layers.get(layer, 0)]:
            path = f"{layer}/{name}"
            if path not in recipe.leave_out:
                x = block(x, path, recipe.extra_widths.get(path, width), kernel)
    x = F.max_pool2d(x, 4).flatten(1)
    return F.linear(x, weights["linear/weight"][:, : x.shape[1]]) * recipe.logits_weight
