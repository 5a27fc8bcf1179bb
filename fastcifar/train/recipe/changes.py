"""What differs between a recipe and the one that it was made from."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fastcifar.train.recipe.errors import RecipeError

if TYPE_CHECKING:
    from fastcifar.train.recipe.recipe import Recipe

FOLLOWING = ("peak_epoch", "sizes", "peak_lr")  # fields that `with_params` changes along with others


def changed_fields(recipe: "Recipe", base: "Recipe") -> dict[str, Any]:
    """The values that make `recipe` of `base`, as `with_params` takes them; those that follow from others left out."""
    new, old = recipe.to_dict(), base.to_dict()
    changes = {name: value for name, value in new.items() if value != old[name]}
    for name in FOLLOWING:
        rest = {other: value for other, value in changes.items() if other != name}
        with suppress(RecipeError):
            changes = rest if base.with_params(rest) == recipe else changes
    return {key: value for name in changes for key, value in _parts(name, new[name], old[name])}


def settings_text(changes: Mapping[str, Any]) -> str:
    """Values in the form of `--set`: `peak_lr=0.3 flip=none`."""
    return " ".join(f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in changes.items())


def _parts(name: str, new: Any, old: Any) -> list[tuple[str, Any]]:
    """The field, or the parts of it that are others: `lr_scale.prep`."""
    if isinstance(new, dict) and isinstance(old, dict) and new.keys() >= old.keys():
        return [(f"{name}.{key}", value) for key, value in new.items() if key not in old or value != old[key]]
    return [(name, new)]
