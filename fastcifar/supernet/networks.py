"""The networks of a supernet as a table: what each costs, what the supernet thinks of it."""

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fastcifar.data.split import HOLDOUT_SIZE
from fastcifar.search import Evolution, History, Params, SpaceExhausted, trial_rng
from fastcifar.search.experiment.training import flops, parameters
from fastcifar.supernet.choices import Choices
from fastcifar.supernet.material import Material
from fastcifar.supernet.methods import drawn
from fastcifar.supernet.plan import Plan
from fastcifar.supernet.record import Record
from fastcifar.supernet.scores import scores
from fastcifar.supernet.supernet import Supernet

ALL = 1024  # networks of a space that are all scored; of a larger one, those that evolution comes to
SCORED = 2000  # images of the holdout
GENERATION = 16
COSTS = ("flops", "parameters", "seconds")
COLUMNS = (*COSTS, "loss", "accuracy")  # after the keys of the space


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a network may cost: FLOPs of an image, parameters, predicted seconds of a training by itself."""

    flops: float = float("inf")
    parameters: float = float("inf")
    seconds: float = float("inf")

    def allow(self, costs: tuple[float, float, float]) -> bool:
        return all(cost <= most for cost, most in zip(costs, dataclasses.astuple(self), strict=True))


def flops_per_second(record: Record) -> float:
    """How fast the supernet was trained: FLOPs of its networks, forward and backward, over its train time."""
    plan, images = record.plan, record.dataset["train_images"]
    steps = images // plan.recipe.batch_size * len(record.epochs)
    once = sum(flops(recipe) for step in range(steps) for recipe in drawn(plan.choices, plan.method, plan.seed, step))
    return 3 * plan.recipe.batch_size * once / record.times.train


def costs_of(plan: Plan, rate: float, images: int) -> Callable[[Params], tuple[float, float, float]]:
    """What a point costs: FLOPs of an image, parameters, and the seconds that its training by itself would take here.

    rate: FLOPs a second. images: that it is trained on.
    """
    work = 3 * images * plan.recipe.total_epoch / rate

    def costs(params: Params) -> tuple[float, float, float]:
        recipe = plan.choices.of(params)
        return flops(recipe), parameters(recipe), flops(recipe) * work

    return costs


def networks(
    supernet: Supernet,
    record: Record,
    material: Material,
    *,
    limits: Limits = Limits(),
    sample: int | None = None,
    images: int = SCORED,
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> pd.DataFrame:
    """Score the networks within `limits`, the best first: their points, COSTS, and loss and accuracy on the holdout.

    All of a space of at most ALL points, or `sample` drawn ones; of a larger space as many as ALL, by evolution.
    images: of the holdout. Raises ValueError where no network is within the limits, with the smallest costs.
    """
    check_amounts(images, sample)
    choices = record.plan.choices
    costs = costs_of(record.plan, flops_per_second(record), record.dataset["train_images"])
    calibration, valid = material.calibration(), material.valid(images)
    check_limits(choices, limits, costs)

    def scored(points: Sequence[Params], before: int = 0) -> list[dict[str, object]]:
        found = scores(
            supernet, [choices.of(one) for one in points], calibration, valid, lambda done: progress(before + done)
        )
        return [
            {**one, **dict(zip(COSTS, costs(one), strict=True)), "loss": score.loss, "accuracy": score.accuracy}
            for one, score in zip(points, found, strict=True)
        ]

    if sample is not None or choices.space.size() <= ALL:
        rows = scored([one for one in _points(choices, sample, seed) if limits.allow(costs(one))])
    else:
        rows = []
        space = dataclasses.replace(choices.space, allowed=lambda params: limits.allow(costs(params)))
        history, searcher = History(space), Evolution(population=4 * GENERATION, sample=GENERATION)
        while len(rows) < ALL:
            some: list[Params] = []
            with suppress(SpaceExhausted):
                for _ in range(GENERATION):
                    some.append(searcher.suggest(space, history, trial_rng(seed, len(history))))
                    history.start(some[-1])
            if not some:
                break
            for number, row in enumerate(scored(some, len(rows)), len(rows)):
                history.end(number, row["loss"])  # type: ignore[arg-type]
                rows.append(row)
    return pd.DataFrame(rows).sort_values("loss", kind="stable", ignore_index=True)


def check_amounts(images: int, sample: int | None) -> None:
    """Raise ValueError for numbers of images or networks that cannot be scored."""
    if not 1 <= images <= HOLDOUT_SIZE:
        raise ValueError(f"--images: 1 to {HOLDOUT_SIZE:,} of the holdout, not {images:,}")
    if sample is not None and sample < 1:
        raise ValueError(f"--sample: at least one network is needed, not {sample}")


def check_limits(choices: Choices, limits: Limits, costs: Callable[[Params], tuple[float, float, float]]) -> None:
    """Raise ValueError where no network of the space is within the limits, with the smallest costs there are."""
    few = choices.space.size() <= ALL
    points = [choices.smallest, *_points(choices, None if few else ALL, 0)]
    found = np.array([costs(one) for one in points])
    if any(limits.allow((one[0], one[1], one[2])) for one in found.tolist()):
        return
    least = found.min(0)
    amounts = ", ".join(f"{amount:,.0f} {name}" for amount, name in zip(least, COSTS, strict=True))
    raise ValueError(f"no network of the space is within the limits; the smallest have {amounts}")


def _points(choices: Choices, sample: int | None, seed: int) -> list[Params]:
    if sample is None:
        return list(choices.points())
    rows = choices.space.sample(np.random.default_rng(seed), sample)
    return [choices.space.decode(row) for row in np.unique(rows, axis=0)]
