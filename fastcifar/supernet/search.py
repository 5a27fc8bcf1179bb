"""The search with a supernet: train it and a few networks alone, fit a regression to both, confirm the best few."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastcifar.data import Dataset, num_classes
from fastcifar.errors import Failure
from fastcifar.experiment.loop import Driver, trial_seed
from fastcifar.experiment.objectives.training.sizes import flops
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.kept import kept
from fastcifar.experiment.store.store import FINISHED
from fastcifar.search import Params
from fastcifar.statistics.tau import Tau
from fastcifar.supernet.choices import Choices
from fastcifar.supernet.methods import drawn
from fastcifar.supernet.plan import SupernetPlan
from fastcifar.supernet.predict.predictors import FEWEST, Judged, designs, judge, points_of, predicted
from fastcifar.supernet.predict.ranking import CostLimits
from fastcifar.supernet.predict.regression import spread_out
from fastcifar.supernet.record import Record, read_record
from fastcifar.supernet.supernet import Supernet
from fastcifar.supernet.training import load_supernet, resume_supernet, train_supernet
from fastcifar.train import Hooks, Recipe
from fastcifar.train.build import rate_factors

APART = 500_000  # added to the seed: with the batches of the trainings alone the supernet would predict them too well
# Most epochs of a supernet, over those of a training alone. With so many it ranks as well as one training of each.
LONGEST = 5
# Most FLOPs of a supernet, over a training of the widest network. It takes up to 3 times as long as that training,
# because narrow networks are slower for their FLOPs.
BUDGET = 2.4
SOME = 32  # steps whose networks represent those of all steps
KEY = "supernet"  # the key of `Asked`, as JSON, in the experiment's store


class SearchError(Failure):
    """A search that cannot go on; the message is for the user."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the user asks of the supernet of a search, and what the search has settled since.

    folder: name of the supernet's folder in the experiment's folder; None before it is made.
    seconds: of a training alone at full budget, for each FLOP of an image; None before it is measured. Until then the
        experiment's spec has no budget that fits the device.
    chosen: the networks that are trained alone; None before they are chosen.
    threads: for training the supernet and scoring its networks; None is torch's own number.
    """

    method: str
    rates: str
    limits: CostLimits
    trainings: int
    folder: str | None = None
    seconds: float | None = None
    chosen: tuple[Params, ...] | None = None
    threads: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values; an infinite limit is null."""
        limits = {key: None if value == float("inf") else value for key, value in asdict(self.limits).items()}
        return {**asdict(self), "limits": limits}

    @classmethod
    def from_dict(cls, document: Any, folder: Path | None = None) -> "Asked":
        """Read what `to_dict` gave. Raises StoreError for what another version has written into `folder`."""
        limits = document.get("limits") if isinstance(document, dict) else None
        if isinstance(limits, dict):
            limits = {key: value for key, value in limits.items() if value is not None}
            document = {**document, "limits": CostLimits(**kept(CostLimits, limits, "limits", folder))}
        values = kept(cls, document, "supernet", folder)
        chosen = values.get("chosen")
        return cls(**values | {"chosen": None if chosen is None else tuple(chosen)})


def check_rates(choices: Choices) -> None:
    """Raise ValueError where `lr_scale` or `lr_instead` have a part that some network of the space does not have.

    A supernet accepts these, but a search trains networks alone, too.
    """
    points = [{**choices.largest, key: value} for key, values in choices.values.items() for value in values]
    for point in (*points, choices.smallest):
        try:
            rate_factors(choices.of(point), num_classes(choices.recipe.dataset))
        except ValueError as error:
            network = " ".join(f"{key}={value}" for key, value in point.items())
            raise ValueError(f"{error}; a search trains networks by themselves, here {network}") from None


def keep(driver: Driver, asked: Asked) -> Asked:
    """Write what is asked to the experiment's store, and return it."""
    driver.store.set({KEY: asked.to_dict()})
    return asked


def plan_of(spec: Spec, asked: Asked) -> SupernetPlan:
    """The supernet's plan: the images of the search's trainings, and as many epochs as BUDGET and LONGEST allow."""
    assert spec.recipe is not None
    recipe, seed = Recipe.from_dict(spec.recipe).with_params(spec.short), trial_seed(spec.seed, APART)
    plan = SupernetPlan(recipe=recipe, space=spec.space, method=asked.method, rates=asked.rates, seed=seed)
    steps = [drawn(plan.choices, plan.method, seed, step) for step in range(SOME)]
    widest, mean = flops(plan.choices.full), sum(flops(one) for step in steps for one in step) / SOME
    times = max(1.0, min(LONGEST, BUDGET * widest / mean))
    return replace(plan, recipe=recipe.with_params({"total_epoch": int(times * recipe.total_epoch)}))


def trained(
    plan: SupernetPlan,
    dataset: Dataset,
    device: str,
    out: Path,
    folder: str | None,
    hooks: Hooks,
    on_start: Callable[[Record], None],
) -> tuple[Supernet, Record]:
    """The supernet in `out`: a new one, or the one that an earlier session has begun in `folder` there.

    Raises SearchError where it has diverged, ValueError where the one in `folder` has another plan.
    """
    path = None if folder is None else out / folder
    if path is None or not path.exists():
        found = train_supernet(plan, dataset, device=device, out=out, hooks=hooks, on_start=on_start)
    else:
        record = _same(read_record(path), plan)
        if record.status == "finished":
            return load_supernet(path)
        found = resume_supernet(path, dataset, hooks=hooks, on_start=on_start)
    _same(found[1], plan)
    return found


def _same(record: Record, plan: SupernetPlan) -> Record:
    """The record. Raises as `trained` does where it has another plan or has diverged."""
    if record.plan != plan:
        raise ValueError(f"{record.path}: the supernet is of another space or recipe than the search")
    if record.status == "diverged":
        raise SearchError(f"the supernet has diverged: {record.message}; begin anew with a lower --set peak_lr=")
    return record


def spread_points(choices: Choices, table: pd.DataFrame, count: int) -> tuple[Params, ...]:
    """The `count` networks of a table whose trainings tell a regression the most (see `spread_out`)."""
    keys = [repr(one) for one in points_of(choices, table)]
    ordered = table.iloc[sorted(range(len(keys)), key=keys.__getitem__)]  # an order that does not depend on scores
    points = points_of(choices, ordered)
    return tuple(points[index] for index in spread_out(designs(choices, ordered)[0], count))


def foretold(
    driver: Driver, choices: Choices, table: pd.DataFrame, wanted: Sequence[Params]
) -> tuple[pd.DataFrame, Judged] | None:
    """Train the `wanted` networks of `table` alone; return the table with predictions, and the judged predictors.

    None where the user has stopped the trainings. Raises SearchError where too many of them have failed.
    """
    rows = driver.repeat("search", wanted, [trial_seed(driver.plan.seed, 0)])
    if driver.stopping:
        return None
    ended = [row for row in rows if row.state == FINISHED and row.value is not None]
    if len(ended) < FEWEST:
        raise SearchError(f"{len(ended)} of {len(rows)} trainings have ended with a result: too few for a fit")
    points, accuracy = [row.params for row in ended], np.array([row.value for row in ended], dtype=float) / 100
    judged = judge(choices, table, points, accuracy)
    return predicted(choices, table, points, accuracy, judged.better), judged


def finalists(choices: Choices, table: pd.DataFrame, count: int) -> list[Params]:
    """The `count` points with the highest predictions."""
    return points_of(choices, table.sort_values("predicted", ascending=False, kind="stable").head(count))


def judged_json(judged: Judged) -> dict[str, Any]:
    """The predictors as JSON values."""

    def plain(one: Tau) -> dict[str, Any]:
        return {key: None if value != value else value for key, value in asdict(one).items()}

    return {
        "predictors": {one.name: {"tau": plain(one.overall), "tau_near": plain(one.near)} for one in judged.predictors},
        "gain": plain(judged.gain),
        "gain_near": plain(judged.gain_near),
        "adds": judged.adds,
        "used": judged.better,
    }
