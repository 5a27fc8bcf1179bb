"""A supernet as an evaluator of a search: a trial scores one network on the holdout, with its part of the weights."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor

from fastcifar.data import load
from fastcifar.experiment.objectives.base import Reporter
from fastcifar.experiment.objectives.training.sizes import flops, parameters
from fastcifar.search import Params, Space
from fastcifar.supernet.material import Material
from fastcifar.supernet.predict.ranking import SCORED
from fastcifar.supernet.predict.scoring import scores
from fastcifar.supernet.record import Record, read_record
from fastcifar.supernet.supernet import Supernet
from fastcifar.supernet.training import load_supernet
from fastcifar.train import Recipe, RecordError


@dataclass(frozen=True, kw_only=True)
class SupernetEvaluator:
    """Scores a point of the supernet in `folder`; the result is its holdout loss. The seed has no effect."""

    folder: Path
    data_dir: Path | None = None

    def check(self, space: Space) -> None:
        """Raise ValueError where `space` is not the supernet's, RecordError where the supernet is not trained."""
        record = read_record(self.folder)
        own = record.plan.choices.space
        if {one.key: one for one in space.parameters} != {one.key: one for one in own.parameters}:
            keys = ", ".join(parameter.key for parameter in own.parameters)
            raise ValueError(f"--space: {self.folder} is a supernet of another space, over {keys}")
        if record.status != "finished":
            raise RecordError(f"{self.folder}: the supernet is {record.status}, not finished")

    def recipe_of(self, params: Params) -> Recipe:
        """The recipe of a point's network."""
        return _record(self.folder).plan.choices.of(params)

    def __call__(self, params: Params, seed: int, report: Reporter, confirm: bool) -> dict[str, Any]:
        supernet, calibration, valid = _ready(self.folder, self.data_dir)
        recipe = supernet.choices.of(params)
        (score,) = scores(supernet, [recipe], calibration, valid)
        return {
            "default": score.loss,
            "accuracy": 100 * score.accuracy,
            "flops": flops(recipe),
            "parameters": parameters(recipe),
        }


@lru_cache(maxsize=1)
def _record(folder: Path) -> Record:
    """The supernet's record, cached for the next point."""
    return read_record(folder)


@lru_cache(maxsize=1)
def _ready(folder: Path, data_dir: Path | None) -> tuple[Supernet, list[Tensor], list[tuple[Tensor, Tensor]]]:
    """The supernet, its calibration batches and its validation batches, cached for the next trial."""
    supernet, record = load_supernet(folder)
    material = Material(record, load(record.plan.recipe.dataset, data_dir), supernet)
    return supernet, material.calibration(), material.valid(SCORED)
