"""One run: a recipe in, a result out."""

from fastcifar.train.build import describe_network
from fastcifar.train.checks import RecipeError
from fastcifar.train.device import resolve_device
from fastcifar.train.listing import list_runs
from fastcifar.train.named import find_recipe, named_recipe, recipe_names
from fastcifar.train.recipe import Recipe
from fastcifar.train.record import RecordError
from fastcifar.train.result import Result, Times
from fastcifar.train.run import load_result, resume, train
from fastcifar.train.session import Hooks, TrainError
from fastcifar.train.table import EpochRow, format_closing, format_header, format_row

__all__ = [
    "EpochRow",
    "Hooks",
    "Recipe",
    "RecipeError",
    "RecordError",
    "Result",
    "Times",
    "TrainError",
    "describe_network",
    "find_recipe",
    "format_closing",
    "format_header",
    "format_row",
    "list_runs",
    "load_result",
    "named_recipe",
    "recipe_names",
    "resolve_device",
    "resume",
    "train",
]
