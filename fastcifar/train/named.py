"""The recipes that come with the package."""

from importlib.resources import files
from typing import Any

from fastcifar.train.checks import RecipeError, nearest
from fastcifar.train.recipe import Recipe


def recipe_names() -> list[str]:
    """Names that `named_recipe` knows."""
    return sorted(path.name.removesuffix(".json") for path in _folder().iterdir() if path.name.endswith(".json"))


def named_recipe(name: str) -> Recipe:
    """The recipe of that name. Raises RecipeError, with the nearest names, where there is none."""
    if name not in recipe_names():
        raise RecipeError(f"there is no recipe {name!r}{nearest(name, recipe_names())}")
    return Recipe.from_json((_folder() / f"{name}.json").read_text(), f"recipe {name}")


def _folder() -> Any:  # a Traversable, which Python 3.11 and 3.14 keep in different modules
    return files("fastcifar.train") / "recipes"
