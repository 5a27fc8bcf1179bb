"""The networks of a supernet as a table: what each costs, and its score in the supernet."""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice, product
from typing import Any

import numpy as np
import pandas as pd

from fastcifar.data.split import HOLDOUT_SIZE
from fastcifar.experiment.objectives.training.sizes import flops, parameters
from fastcifar.names import counted
from fastcifar.search import Evolution, History, Params, SpaceExhausted, trial_rng
from fastcifar.supernet.choices import Choices, size_of
from fastcifar.supernet.material import Material
from fastcifar.supernet.methods import drawn
from fastcifar.supernet.predict.scoring import scores
from fastcifar.supernet.record import Record
from fastcifar.supernet.supernet import Supernet
from fastcifar.train.device import kernels

ALL = 1024  # most networks that are scored: a space of no more is scored whole, a larger one by evolution
SCORED = 1000  # images of the holdout on which networks are scored
DRAWN = 64  # networks that are drawn from a larger space to represent it
GENERATION = 16
COST_COLUMNS = ("flops", "parameters", "seconds")
Costs = Callable[[Params], tuple[float, float, float]]
Row = dict[str, Any]  # one network: its point, COST_COLUMNS, loss and accuracy


@dataclass(frozen=True, kw_only=True)
class CostLimits:
    """What a network may cost at most: FLOPs of an image, parameters, predicted seconds of a training alone."""

    flops: float = float("inf")
    parameters: float = float("inf")
    seconds: float = float("inf")

    def allow(self, costs: tuple[float, float, float]) -> bool:
        return all(cost <= most for cost, most in zip(costs, dataclasses.astuple(self), strict=True))


def flops_per_second(record: Record) -> float:
    """How fast the supernet was trained: forward and backward FLOPs of its networks, per second of training."""
    plan, images = record.plan, record.dataset["train_images"]
    steps = images // plan.recipe.batch_size * len(record.epochs)
    once = sum(flops(recipe) for step in range(steps) for recipe in drawn(plan.choices, plan.method, plan.seed, step))
    return 3 * plan.recipe.batch_size * once / record.times.train


def seconds_per_flop(record: Record) -> float:
    """Seconds of a training alone, of as many epochs as the supernet's, for each FLOP of one image's forward pass."""
    size = record.plan.recipe.batch_size
    images: int = record.dataset["train_images"] // size * size
    return 3 * images * record.plan.recipe.total_epoch / flops_per_second(record)


def costs_of(choices: Choices, seconds: float) -> Costs:
    """A function from a point to its costs: FLOPs of an image, parameters, seconds of a training alone.

    seconds: of a training alone, for each FLOP of an image.
    """

    def costs(params: Params) -> tuple[float, float, float]:
        recipe = choices.of(params)
        return flops(recipe), parameters(recipe), flops(recipe) * seconds

    return costs


def networks(
    supernet: Supernet,
    record: Record,
    material: Material,
    *,
    limits: CostLimits = CostLimits(),
    sample: int | None = None,
    images: int = SCORED,
    seconds: float | None = None,
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> pd.DataFrame:
    """Score the networks within `limits`: a table of points, COST_COLUMNS, holdout loss and accuracy, the best first.

    With `sample`, that many drawn networks. Else all networks of a space of at most ALL points, and of a larger space
    ALL networks, chosen by evolution.
    images: of the holdout. seconds: of a training alone, for each FLOP of an image; by default the supernet's own rate.
    progress: called with the number of networks done.
    Raises ValueError where no network is within the limits; the message has the smallest costs.
    """
    check_amounts(images, sample)
    choices = record.plan.choices
    costs = costs_of(choices, seconds_per_flop(record) if seconds is None else seconds)
    calibration, valid = material.calibration(), material.valid(images)
    exact = bool(record.settings["deterministic"])
    within = _some_within(choices, limits, costs, GENERATION)

    def scored(points: Sequence[Params], before: int) -> list[Row]:
        recipes = [choices.of(one) for one in points]
        with kernels(supernet.device, exact, by_trial=False):
            found = scores(supernet, recipes, calibration, valid, lambda done: progress(before + done))
        return [
            {**one, **dict(zip(COST_COLUMNS, costs(one), strict=True)), "loss": score.loss, "accuracy": score.accuracy}
            for one, score in zip(points, found, strict=True)
        ]

    if sample is not None or choices.space.size() <= ALL:
        rows = scored(_allowed(choices, limits, costs, sample, seed), 0)
    else:
        rows = _evolved(
            choices, lambda params: choices.counts(params) and limits.allow(costs(params)), scored, seed, within
        )
    if not rows:
        raise ValueError("no network that was drawn is within the limits; draw more, or allow more")
    return pd.DataFrame(rows).sort_values("loss", kind="stable", ignore_index=True)


def _evolved(
    choices: Choices,
    allowed: Callable[[Params], bool],
    scored: Callable[[Sequence[Params], int], list[Row]],
    seed: int,
    known: Sequence[Params] = (),
) -> list[Row]:
    """Rows of ALL networks of a large space, by regularized evolution on their loss.

    scored: makes the rows of some points, given the number of points scored before.
    known: points that are allowed. They begin the evolution where hardly any drawn point is allowed.
    """
    rows: list[Row] = []
    space = dataclasses.replace(choices.space, allowed=allowed)
    history, searcher = History(space), Evolution(population=4 * GENERATION, sample=GENERATION)
    while len(rows) < ALL:
        some: list[Params] = []
        with suppress(SpaceExhausted):
            for _ in range(GENERATION):
                some.append(searcher.suggest(space, history, trial_rng(seed, len(history))))
                history.start(some[-1])
        if not some:
            some = [point for point in known if space.encode(point) not in history]
            for point in some:
                history.start(point)
        if not some and len(rows) in (0, searcher.population):
            break
        if some:
            for number, row in enumerate(scored(some, len(rows)), len(rows)):
                history.end(number, row["loss"])
                rows.append(row)
        else:  # the population cannot be filled: go on with the children of those found
            searcher = dataclasses.replace(searcher, population=len(rows))
    return rows


def check_amounts(images: int, sample: int | None) -> None:
    """Raise ValueError for a number of images or networks that cannot be scored."""
    if not 1 <= images <= HOLDOUT_SIZE:
        raise ValueError(f"--images: 1 to {HOLDOUT_SIZE:,} of the holdout, not {images:,}")
    if sample is not None and sample < 1:
        raise ValueError(f"--sample: at least one network is needed, not {sample}")


def check_limits(choices: Choices, limits: CostLimits, costs: Costs, wanted: int = 1) -> None:
    """Raise ValueError where fewer than `wanted` networks of the space are found within the limits."""
    inside = len(_some_within(choices, limits, costs, wanted))
    if inside < wanted:
        raise ValueError(f"{counted(inside, 'network')} of the space within the limits, where {wanted} are needed")


def typical(choices: Choices, limits: CostLimits, costs: Costs) -> list[Params]:
    """Networks that represent all networks within the limits, for an estimate of what they take.

    All networks of a small space; of a large space some that are drawn, and the largest. Raises ValueError where none
    is found; the message has the smallest costs.
    """
    large = choices.space.size() > ALL
    found = _allowed(choices, limits, costs, DRAWN if large else None, seed=0)
    if large and limits.allow(costs(choices.largest)):
        found.append(choices.largest)
    return found or _some_within(choices, limits, costs, DRAWN)


def _some_within(choices: Choices, limits: CostLimits, costs: Costs, wanted: int) -> list[Params]:
    """The first `wanted` networks within the limits, or all if there are fewer. Raises ValueError where none is."""
    inside: list[Params] = []
    least = np.full(len(COST_COLUMNS), np.inf)
    for point in _upward(choices, lambda params: limits.allow(costs(params))):
        found = costs(point)
        least = np.minimum(least, found)
        if limits.allow(found):
            inside.append(point)
        if len(inside) == wanted:
            break
    if not inside:
        amounts = ", ".join(f"{amount:,.0f} {name}" for amount, name in zip(least, COST_COLUMNS, strict=True) if amount)
        raise ValueError(f"no network of the space is within the limits; the smallest have {amounts}")
    return inside


def _upward(choices: Choices, allowed: Callable[[Params], bool]) -> Iterator[Params]:
    """All networks of a small space; of a large one the smallest, then allowed networks that are one change away.

    This finds nearly all allowed networks, because a larger value of a choice costs more. The exception are extra
    blocks that are narrower than the layers before and after them.
    """
    if choices.space.size() <= ALL:
        yield from choices.points()
        return
    least = {key: min(values, key=partial(size_of, key)) for key, values in choices.values.items()}
    smallest = [
        [value for value in values if size_of(key, value) == size_of(key, least[key])]
        for key, values in choices.values.items()
    ]

    def standing(params: Params, before: Params) -> Params:
        """The point of a network that was reached from `before`: new extra blocks have their smallest width."""
        idle, was_idle = choices.idle(params), choices.idle(before)
        return {
            key: choices.largest[key] if key in idle else least[key] if key in was_idle else value
            for key, value in params.items()
        }

    starts = [dict(zip(choices.values, values, strict=True)) for values in islice(product(*smallest), ALL)]
    waiting = deque(standing(one, choices.largest) for one in starts)  # several where lists have the same length
    seen = {repr(one) for one in waiting}
    while waiting:
        yield (point := waiting.popleft())
        for key, value in ((key, value) for key, values in choices.values.items() for value in values):
            other = standing({**point, key: value}, point)
            if repr(other) not in seen and allowed(other):
                seen.add(repr(other))
                waiting.append(other)


def _allowed(choices: Choices, limits: CostLimits, costs: Costs, sample: int | None, seed: int) -> list[Params]:
    """All networks within the limits, or `sample` of them, drawn without repeats."""
    if choices.space.size() <= ALL:
        points = [one for one in choices.points() if limits.allow(costs(one))]
        chosen = np.random.default_rng(seed).permutation(len(points))[: sample or len(points)]
        return [points[index] for index in sorted(chosen)]
    assert sample is not None
    rows = np.unique(choices.space.sample(np.random.default_rng(seed), 20 * sample), axis=0)
    drawn_ones = (choices.space.decode(row) for row in np.random.default_rng(seed).permutation(rows))
    return list(islice((one for one in drawn_ones if choices.counts(one) and limits.allow(costs(one))), sample))
