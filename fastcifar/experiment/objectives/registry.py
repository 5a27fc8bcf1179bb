"""The objective of a search, made from its spec: the evaluator of its trials."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastcifar.experiment.objectives.base import Evaluator, FunctionEvaluator, find_function
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.kept import of_another_version
from fastcifar.experiment.store.store import StoreError
from fastcifar.search.spaces.space import TOTAL_EPOCH

if TYPE_CHECKING:
    from fastcifar.train import Recipe

SUPERNET = "fastcifar.supernet.predict.evaluate:SupernetEvaluator"  # by name: this package may not import a higher one


def evaluator_of(spec: Spec) -> Evaluator:
    """The evaluator for a recipe, a supernet or a function with a name. Raises StoreError if the spec has none."""
    if spec.recipe is not None:
        from fastcifar.experiment.objectives.training.evaluator import TrainEvaluator  # brings torch
        from fastcifar.train import Recipe

        data_dir = None if spec.data_dir is None else Path(spec.data_dir)
        return TrainEvaluator(
            recipe=Recipe.from_dict(spec.recipe),
            data_dir=data_dir,
            device=spec.device,
            epochs_of_space="total_epoch" in spec.space,
            space_epochs=spec.space.get(TOTAL_EPOCH),
        )
    if spec.supernet is not None:  # by name: this package may not import a higher one
        data_dir = None if spec.data_dir is None else Path(spec.data_dir)
        evaluator: Evaluator = find_function(SUPERNET)(folder=Path(spec.supernet), data_dir=data_dir)
        return evaluator
    if spec.function is not None:
        sys.path.insert(0, spec.code_directory)  # where it was found first
        find_function(spec.function)
        return FunctionEvaluator(spec.function, spec.metric)
    raise StoreError("the objective of this experiment has no name; resume it from the program that made it")


def recipes_of(spec: Spec) -> "Callable[[dict[str, Any]], Recipe]":
    """The function that makes a trial's recipe from its parameters, for trials that are networks."""
    from fastcifar.experiment.objectives.training.trial_recipe import TrialRecipes  # brings torch
    from fastcifar.train import Recipe

    if spec.supernet is not None:
        made: Callable[[dict[str, Any]], Recipe] = find_function(SUPERNET)(folder=Path(spec.supernet)).recipe_of
        return made
    return TrialRecipes(
        recipe=Recipe.from_dict(spec.recipe or {}),
        epochs=spec.space.get(TOTAL_EPOCH),
        epochs_of_space="total_epoch" in spec.space,
    )


def allowed_by(spec: Spec) -> Callable[[dict[str, Any]], bool] | None:
    """A function that tells whether a network is within the search's limits; None if the search has none."""
    trains = spec.recipe is not None or spec.supernet is not None
    if not trains or (spec.max_flops is None and spec.max_parameters is None):
        return None
    from fastcifar.experiment.objectives.training.sizes import flops, parameters

    recipe_of = recipes_of(spec)
    limits = (spec.max_flops, spec.max_parameters)
    most_flops, most_parameters = (float("inf") if most is None else most for most in limits)

    def allowed(params: dict[str, Any]) -> bool:
        candidate = recipe_of(params)
        return flops(candidate) <= most_flops and parameters(candidate) <= most_parameters

    return allowed


def check_recipe(spec: Spec, folder: Path) -> None:
    """Raise StoreError if another version wrote the recipe of a stored spec."""
    if spec.recipe is None:
        return
    from fastcifar.train import Recipe  # brings torch

    try:
        Recipe.from_dict(spec.recipe)
    except (ValueError, TypeError) as error:
        raise of_another_version(folder, f"its recipe: {error}") from None
