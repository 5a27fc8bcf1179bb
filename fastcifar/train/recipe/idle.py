"""Fields of a recipe that do nothing because of its other fields."""

from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any

from fastcifar.net import EXTRA
from fastcifar.train.recipe.values import Values

ONLY = {  # fields that have a node in one network only
    "resnet9": ("prep", "extra_layers", "extra_widths", "res_layers", "ks", "leave_out", "lr_instead"),
    "speednet": ("convs",),
}


def why_idle(recipe: Values, key: str) -> str | None:
    """Why a field, or a dotted path into one (`ks.prep`), does nothing in a recipe; None where it does something."""
    found = idle(recipe)
    return found.get(key, found.get(key.partition(".")[0]))


def idle(recipe: Values) -> dict[str, str]:
    """Fields, and dotted paths into fields, that do nothing in a recipe -> why."""
    return dict([*_of_training(recipe), *_of_network(recipe)])


def without_idle(recipe: Values) -> dict[str, Any]:
    """The fields of a recipe, but those that do nothing have their defaults: equal dicts are the same training."""
    values, usual = recipe.to_dict(), defaults(recipe)
    for key in idle(recipe):
        name, _, part = key.partition(".")
        if not part:
            values[name] = usual[name]
        elif isinstance(values[name], dict):
            values[name] = {path: value for path, value in values[name].items() if path != part}
    return values


def defaults(recipe: Values) -> dict[str, Any]:
    """The default of each field."""
    return {
        field.name: field.default if field.default_factory is MISSING else field.default_factory()
        for field in fields(recipe)
    }


def _of_training(recipe: Values) -> Iterator[tuple[str, str]]:
    if recipe.optimizer != "muon":
        for name in ("muon_lr", "muon_momentum", "muon_steps"):
            yield name, f"with {recipe.optimizer} (optimizer)"
    if recipe.averaging == "none":
        for name in ("average_every", "average_decay"):
            yield name, "without an average (averaging is none)"
    if recipe.averaging != "tail":
        yield "tail_epochs", f"where averaging is {recipe.averaging}, not tail"
    if recipe.tta != "six-unsure":
        yield "tta_share", f"where tta is {recipe.tta}, not six-unsure"
    if recipe.peak_epoch == 0:
        yield "lr_start", "where the rate is highest at the start (peak_epoch is 0)"
    if recipe.peak_epoch == recipe.total_epoch:
        yield "lr_end", f"where the rate is highest at the end (peak_epoch is {recipe.total_epoch})"
    if recipe.lr_start == recipe.lr_end == 1:
        yield "peak_epoch", "where the rate stays the same (lr_start and lr_end are 1)"
    own_rates = recipe.optimizer == "muon" and None not in (recipe.bias_lr, recipe.head_lr)
    if own_rates and not recipe.train_bn_scale and not recipe.base_wd:
        yield "peak_lr", "where muon_lr, bias_lr and head_lr are the rates of all weights, without decay (base_wd is 0)"


def _of_network(recipe: Values) -> Iterator[tuple[str, str]]:
    for network, names in ONLY.items():
        for name in names if network != recipe.network else ():
            yield name, f"in {recipe.network} (network): it is {network}'s"
    if not recipe.whiten:
        for name in ("whiten_images", "whiten_epochs"):
            yield name, "without whitening (whiten is 0)"
    elif not recipe.whiten_epochs:
        for prefix in recipe.lr_scale:
            if prefix.partition("/")[0] == "whiten":
                yield f"lr_scale.{prefix}", "where the whitening is not trained (whiten_epochs is 0)"
    if recipe.network != "resnet9":
        return
    there = {f"{layer}/{name}" for layer, count in recipe.extra_layers.items() for name in EXTRA[:count]}
    there -= set(recipe.leave_out)
    for path in (f"{layer}/{name}" for layer in recipe.channels for name in EXTRA):
        if path not in there:
            yield f"extra_widths.{path}", "without that block (extra_layers, leave_out)"
    if not there & recipe.extra_widths.keys():
        yield "extra_widths", "where none of its blocks is there (extra_layers, leave_out)"
    prep = "prep" in recipe.res_layers and "prep/residual" not in recipe.leave_out
    if recipe.whiten and not prep and not any(path.startswith("prep/") for path in there):
        yield "ks.prep", "where prep is one convolution of 1 x 1, after the whitening (whiten)"
