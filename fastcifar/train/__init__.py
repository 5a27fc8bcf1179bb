"""One run: a recipe in, a result out. Many runs: statistics.

All of it is imported when it is first asked for: reading what has been run needs no torch, training needs no scipy.
"""

from typing import TYPE_CHECKING

from fastcifar.lazy import lazy

if TYPE_CHECKING:
    from fastcifar.train.build import describe_network
    from fastcifar.train.comparing.comparison import compare, compare_results
    from fastcifar.train.comparing.many import Summary, summarise
    from fastcifar.train.comparing.verdict import Comparison
    from fastcifar.train.device import resolve_device
    from fastcifar.train.loading import TrainedNetwork, load_network
    from fastcifar.train.recipe.errors import RecipeError
    from fastcifar.train.recipe.named import find_recipe, named_recipe, recipe_names
    from fastcifar.train.recipe.recipe import Recipe
    from fastcifar.train.record.folder import RecordError
    from fastcifar.train.record.frame import list_runs
    from fastcifar.train.result import Result, Times
    from fastcifar.train.run import RunSettings, load_result, resume, train
    from fastcifar.train.session import Hooks, TrainError
    from fastcifar.train.table import EpochRow, format_closing, format_header, format_row

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

HOMES = {  # module: names
    "build": "describe_network",
    "recipe.errors": "RecipeError",
    "comparing.comparison": "compare compare_results",
    "comparing.verdict": "Comparison",
    "device": "resolve_device",
    "record.folder": "RecordError",
    "record.frame": "list_runs",
    "loading": "TrainedNetwork load_network",
    "comparing.many": "Summary summarise",
    "recipe.named": "find_recipe named_recipe recipe_names",
    "recipe.recipe": "Recipe",
    "result": "Result Times",
    "run": "RunSettings load_result resume train",
    "session": "Hooks TrainError",
    "table": "EpochRow format_closing format_header format_row",
}


__getattr__ = lazy(__name__, HOMES, globals())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
