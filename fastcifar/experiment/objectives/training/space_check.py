"""Checks a search space against a recipe: each point can be trained, and each key has an effect."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from fastcifar.data import num_classes
from fastcifar.experiment.objectives.training.sizes import flops, parameters
from fastcifar.experiment.objectives.training.trial_recipe import ends, flat, name_of
from fastcifar.search.spaces.parameter import Parameter
from fastcifar.search.spaces.rules import SpaceError
from fastcifar.search.spaces.space import Params, Space
from fastcifar.train import Recipe
from fastcifar.train.build import rate_factors
from fastcifar.train.recipe.idle import why_idle
from fastcifar.train.recipe.rules import check_used

MORE = 1000  # further points to try, if a key has no effect in the checked ones
UNSEEN = {  # fields that do not change a trial's result -> why
    "tta": "in a search: its trials are judged without views",
    "tta_share": "in a search: its trials are judged without views",
}

RecipeOf = Callable[[Params], Recipe]


def check_space(
    recipe_of: RecipeOf,
    space: Space,
    *,
    source: str = "search space",
    settings: Iterable[str] = (),
    images: int | None = None,
    alone: bool = True,
    samples: int = 64,
) -> list[Recipe]:
    """Check the space; return recipes of random points within the limits, or of the smallest one if there is none.

    It checks random points, and points with both ends of each parameter and every option of a choice. (A normal
    distribution has no ends.)
    recipe_of: makes a trial's recipe. source: the space's file or name, for messages. settings: fields of the recipe
    that the user has set. images: number that a trial can train on. alone: whether networks are trained alone. In a
    supernet, rates may be for blocks that some networks do not have.

    Raises SpaceError for a point that is not a valid recipe, and for a key without effect in any point; RecipeError for
    settings without effect in any point; ValueError if no point is within the limits.
    """
    drawn = space.sample(np.random.default_rng(0), samples)
    rows = np.concatenate([*_with_ends(space), drawn])  # the ends first: they are what the user has written
    points = [space.decode(row) for row in rows]
    recipes = [_checked(recipe_of, point, space, source, images) for point in points]
    if alone:
        _check_networks(recipes, points, source)
    for index in range(len(space)):
        _check_key(recipe_of, space, index, rows, recipes, source)
    check_used(recipes, settings)
    return _allowed(recipe_of, space, points[-samples:], recipes[-samples:])


def _with_ends(space: Space) -> Iterator[np.ndarray]:
    """Points (1, D) with each end of each parameter, once with the first and once with the last ends of the others."""
    latents = [_latents(parameter) for parameter in space.parameters]
    for place in (0, -1):
        others = np.array([values[place] for values in latents])
        for index, values in enumerate(latents):
            for value in values:
                yield _reached(space, others, index, value)[None]


def _latents(parameter: Parameter) -> list[float]:
    """The ends of a parameter as latents."""
    if parameter.branches is not None:
        return [float(option) for option in range(len(parameter.branches))]
    return [parameter.encode(value) for value in ends(parameter)]


def _reached(space: Space, latents: np.ndarray, index: int, latent: float) -> np.ndarray:
    """The point (D,) with `latent` at `index`, the choices that lead to `index`, and `latents` (D,) elsewhere."""
    row = latents.copy()
    row[index] = latent
    parent = space.parameters[index].parent
    while parent is not None:
        row[parent[0]] = parent[1]
        parent = space.parameters[parent[0]].parent
    for place, parameter in enumerate(space.parameters):
        if parameter.parent is not None and row[parameter.parent[0]] != parameter.parent[1]:
            row[place] = np.nan
    return row


def _checked(recipe_of: RecipeOf, point: Params, space: Space, source: str, images: int | None) -> Recipe:
    try:
        recipe = recipe_of(point)
    except ValueError as error:
        raise SpaceError(f"{source}: {_shown(point, str(error))}{error}") from None
    most = min(one for one in (recipe.train_images, images, np.inf) if one is not None)
    if recipe.batch_size > most:
        text = f"batch_size: {recipe.batch_size} is more than the {most} images to train on"
        raise SpaceError(f"{source}: {_shown(point, text)}{text}")
    return recipe


def _check_networks(recipes: list[Recipe], points: list[Params], source: str) -> None:
    """Raise SpaceError if lr_scale, lr_instead or leave_out name blocks that a network does not have."""
    seen = set()
    for recipe, point in zip(recipes, points, strict=True):
        if not recipe.lr_scale and recipe.lr_instead is None and not recipe.leave_out:
            continue
        blocks = (recipe.network, recipe.whiten, recipe.convs, recipe.res_layers, recipe.leave_out)
        key = (*blocks, tuple(recipe.extra_layers.items()), tuple(recipe.lr_scale), recipe.lr_instead)
        if key in seen:
            continue
        seen.add(key)
        try:
            rate_factors(recipe, num_classes(recipe.dataset))
        except ValueError as error:
            raise SpaceError(f"{source}: {_shown(point, str(error))}{error}") from None


def _check_key(
    recipe_of: RecipeOf, space: Space, index: int, rows: np.ndarray, recipes: list[Recipe], source: str
) -> None:
    """Raise SpaceError if a parameter has no effect in any of the points (n, D) that have it."""
    parameter = space.parameters[index]
    name = name_of(parameter)
    if name in UNSEEN:
        raise SpaceError(f"{source}: {parameter.key} does nothing {UNSEEN[name]}")
    there = np.flatnonzero(~np.isnan(rows[:, index]))
    if any(why_idle(recipes[place], name) is None for place in there):
        return
    for row in space.sample(np.random.default_rng(1), MORE):
        if not np.isnan(row[index]) and why_idle(recipe_of(space.decode(row)), name) is None:
            return
    raise SpaceError(f"{source}: {parameter.key} does nothing {why_idle(recipes[there[0]], name)}")


def _shown(point: Params, error: str) -> str:
    """The parameters that an error is about, unless it names both key and value itself."""
    values, field = dict(flat(point)), error.partition(":")[0].partition(".")[0]
    if any(f"has no field {key.partition('.')[0]!r}" in error for key in values):
        return ""
    about = {key: value for key, value in values.items() if key.partition(".")[0] == field}
    about = {key: value for key, value in about.items() if repr(key.partition(".")[2]) in error} or about
    if len(about) == 1 and all(error.startswith(f"{key}: ") and repr(value) in error for key, value in about.items()):
        return ""
    return " ".join(f"{key}={value}" for key, value in (about or values).items()) + ": "


def _allowed(recipe_of: RecipeOf, space: Space, points: list[Params], recipes: list[Recipe]) -> list[Recipe]:
    if space.allowed is None:
        return recipes
    allowed = [made for made, one in zip(recipes, points, strict=True) if space.allowed(one)]
    if allowed:
        return allowed
    least = [_least(recipe_of, space, points[0], cost) for cost in (flops, parameters)]
    allowed = [recipe_of(one) for one in least if space.allowed(one)]
    if not allowed:
        few, small = flops(recipe_of(least[0])), parameters(recipe_of(least[1]))
        raise ValueError(
            f"no network of the space was found within --max-flops and --max-params; the smallest have {few:,} FLOPs "
            f"and {small:,} parameters"
        )
    return allowed


def _least(recipe_of: RecipeOf, space: Space, start: Params, cost: Callable[[Recipe], int]) -> Params:
    """The cheapest point near `start`: each parameter with a list of values gets its cheapest value."""
    for parameter in space.parameters:
        if parameter.values is not None and parameter.parent is None and parameter.branches is None:
            others = [{**start, parameter.key: value} for value in parameter.values]
            start = min(others, key=lambda one: cost(recipe_of(one)))
    return start
