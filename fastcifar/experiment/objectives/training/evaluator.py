"""The evaluator of a recipe: a trial is one training."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastcifar.data import Dataset, load
from fastcifar.experiment.objectives.base import Reporter
from fastcifar.experiment.objectives.training.sizes import flops
from fastcifar.experiment.objectives.training.trial_recipe import TrialRecipes
from fastcifar.search.spaces.space import Params
from fastcifar.train import Hooks, Recipe, train


@dataclass(frozen=True, kw_only=True)
class TrainEvaluator:
    """Trains a recipe with the trial's parameters; the result is the accuracy on the holdout, in percent.

    A confirming trial also evaluates the test images, once, at its end: `test_acc`.
    epochs_of_space, space_epochs: `epochs_of_space` and `epochs` of TrialRecipes.
    """

    recipe: Recipe
    data_dir: Path | None = None
    device: str = "auto"
    epochs_of_space: bool = False
    space_epochs: int | None = None

    def recipe_of(self, params: Params) -> Recipe:
        """The recipe of a trial. Raises RecipeError for invalid parameters."""
        recipes = TrialRecipes(recipe=self.recipe, epochs=self.space_epochs, epochs_of_space=self.epochs_of_space)
        return recipes(params)

    def __call__(self, params: Params, seed: int, report: Reporter, confirm: bool) -> dict[str, Any]:
        recipe = self.recipe_of(params)
        dataset = _dataset(recipe.dataset, self.data_dir)
        hooks = Hooks(on_epoch=lambda row: report(100 * row.valid_acc))
        result = train(recipe, dataset, seed, device=self.device, split="holdout", report_test=confirm, hooks=hooks)
        if result.valid_acc is None or result.status == "diverged":
            raise ValueError(result.message)
        metrics = {
            "default": 100 * result.valid_acc,
            "parameters": result.parameters,
            "flops": flops(recipe),
            "train_seconds": result.times.train,
            "epoch_seconds": [row.train_time for row in result.epochs],
            "valid_seconds": [row.valid_time for row in result.epochs],
            "wall_seconds": result.times.wall,
            "canonical": dataset.canonical,
        }
        return metrics if result.test_acc is None else {**metrics, "test_acc": 100 * result.test_acc}


@lru_cache(maxsize=2)
def _dataset(name: str, data_dir: Path | None) -> Dataset:
    return load(name, data_dir)
