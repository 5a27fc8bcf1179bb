"""One run: a recipe in, a result out. Many runs: statistics.

What makes statistics of runs is imported when it is first asked for: it needs scipy, for which each run would wait.
"""

from typing import TYPE_CHECKING

from fastcifar.lazy import lazy
from fastcifar.train.build import describe_network
from fastcifar.train.checks import RecipeError
from fastcifar.train.device import resolve_device
from fastcifar.train.listing import list_runs
from fastcifar.train.loading import TrainedNetwork, load_network
from fastcifar.train.named import find_recipe, named_recipe, recipe_names
from fastcifar.train.recipe import Recipe
from fastcifar.train.record import RecordError
from fastcifar.train.result import Result, Times
from fastcifar.train.run import RunSettings, load_result, resume, train
from fastcifar.train.session import Hooks, TrainError
from fastcifar.train.table import EpochRow, format_closing, format_header, format_row

if TYPE_CHECKING:
    from fastcifar.train.comparison import Comparison, compare, compare_results
    from fastcifar.train.many import Summary, summarise

__all__ = [
    "Comparison",
    "EpochRow",
    "Hooks",
    "Recipe",
    "RecipeError",
    "RecordError",
    "Result",
    "RunSettings",
    "Summary",
    "Times",
    "TrainError",
    "TrainedNetwork",
    "compare",
    "compare_results",
    "describe_network",
    "find_recipe",
    "format_closing",
    "format_header",
    "format_row",
    "list_runs",
    "load_network",
    "load_result",
    "named_recipe",
    "recipe_names",
    "resolve_device",
    "resume",
    "summarise",
    "train",
]

STATISTICS = {"comparison": "Comparison compare compare_results", "many": "Summary summarise"}  # module: names


__getattr__ = lazy(__name__, STATISTICS, globals())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
