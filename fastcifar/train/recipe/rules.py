"""Rules between the fields of a recipe, and between recipes."""

from collections.abc import Iterable

from fastcifar.data import SIDE
from fastcifar.train.recipe.errors import RecipeError
from fastcifar.train.recipe.idle import ONLY, defaults, why_idle, without_idle
from fastcifar.train.recipe.values import Values

NETWORKS = ("resnet9", "speednet")
MIN_SIDE = 8  # pixels


def check_network(recipe: Values) -> None:
    """Raise RecipeError for a field that the recipe's network has no node for, sides that it cannot take, two rates."""
    usual = defaults(recipe)
    for network, names in ONLY.items():
        for name in names if network != recipe.network else ():
            if getattr(recipe, name) != usual[name]:
                raise RecipeError(f"{name}: the network {recipe.network} has no node for it; it is {network}'s")
    for name in ("bias_lr", "head_lr") if recipe.lr_instead is not None else ():
        if getattr(recipe, name) is not None:
            raise RecipeError(f"{name}: lr_instead gives every tensor a rate of its own; leave one of the two out")
    if recipe.lr_instead is not None and recipe.optimizer == "muon":
        raise RecipeError("lr_instead: muon's rate is muon_lr; lr_scale sets it by layer")
    if recipe.network == "resnet9" and recipe.whiten == 2:
        raise RecipeError("whiten: resnet9 whitens patches 3 pixels wide, or 0 for none; 2 is speednet's")
    for side in recipe.sizes:
        if recipe.network == "resnet9" and int(side) % 8:
            raise RecipeError(
                f"sizes: resnet9 halves an image three times, which a side of {side} pixels is no good for"
            )
        if recipe.network == "speednet" and int(side) < SIDE // 2:
            raise RecipeError(f"sizes: speednet needs a side of {SIDE // 2} pixels, not {side}")
    if (epochs := sum(recipe.sizes.values())) > recipe.total_epoch:
        raise RecipeError(f"sizes: its {epochs} epochs are more than total_epoch ({recipe.total_epoch})")


def check_used(recipes: Iterable[Values], names: Iterable[str]) -> None:
    """Raise RecipeError for a field of `names` that does nothing in any of the recipes."""
    made = list(recipes)
    for name in names:
        reasons = [why_idle(recipe, name) for recipe in made]
        if all(reasons):
            raise RecipeError(f"{name}: it does nothing {reasons[0]}")


def check_differ(a: Values, b: Values, null: bool) -> None:
    """Raise RecipeError where `a` and `b` train the same, or with `null` where they do not.

    Fields that do nothing make no difference.
    """
    same = without_idle(a) == without_idle(b)
    if same and not null:
        raise RecipeError("A and B are the same recipe; --set-b changes B, --null compares a recipe with itself")
    if null and not same:
        raise RecipeError("--null: it compares a recipe with itself, but A and B differ")
