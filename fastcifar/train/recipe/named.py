"""The recipes that come with the package."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastcifar.names import nearest
from fastcifar.reading import UnreadableError, read_text
from fastcifar.train.recipe.errors import RecipeError
from fastcifar.train.recipe.origin import name_of
from fastcifar.train.recipe.recipe import Recipe

MEASURED = "measured"  # the file beside the recipes that says what they reached


def recipe_names() -> list[str]:
    """Names that `named_recipe` knows."""
    names = (path.name.removesuffix(".json") for path in _folder().iterdir() if path.name.endswith(".json"))
    return sorted(name for name in names if name != MEASURED)


def named_recipe(name: str) -> Recipe:
    """The recipe of that name. Raises RecipeError, with the nearest names, where there is none."""
    if name not in recipe_names():
        raise RecipeError(f"there is no recipe {name!r}{nearest(name, recipe_names())}")
    return Recipe.from_json((_folder() / f"{name}.json").read_text(encoding="utf-8"), f"recipe {name}")


def find_recipe(name_or_path: str) -> tuple[str, Recipe]:
    """A named recipe, or the one in a JSON file (a path that ends in .json); with the name to file its runs under.

    That of runs/20261201-120000-channels-ab12/best.json is best-channels-ab12.
    """
    if not name_or_path.endswith(".json"):
        return name_or_path, named_recipe(name_or_path)
    path = Path(name_or_path)
    try:
        return name_of(path), Recipe.from_json(read_text(path), str(path))
    except OSError as error:
        raise RecipeError(f"the recipe {path} cannot be read: {error.strerror}") from None
    except UnreadableError as error:
        raise RecipeError(str(error)) from None


def measured() -> dict[str, dict[str, Any]]:
    """Recipe -> what it reached where: accuracy (percent), seconds, runs, where, source. Some were never measured.

    accuracy: on the test images, over the recipe's views. seconds: of training and validation, or, for a speedrun, of
    preparation, training and views.
    """
    found: dict[str, dict[str, Any]] = json.loads((_folder() / f"{MEASURED}.json").read_text(encoding="utf-8"))
    return found


def _folder() -> Any:  # a Traversable, which Python 3.11 and 3.14 keep in different modules
    return files("fastcifar.train") / "recipes"
