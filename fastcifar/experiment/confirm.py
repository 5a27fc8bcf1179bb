"""The end of a search: chooses the points to confirm, and compares their results on fresh seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastcifar.experiment.pareto import pareto_front
from fastcifar.experiment.store.store import FINISHED, TrialRow
from fastcifar.experiment.store.stored import finite
from fastcifar.experiment.tuners.custom import best_of
from fastcifar.search.history import History
from fastcifar.search.searcher import Searcher, ended_points, whole
from fastcifar.search.spaces.space import Params
from fastcifar.statistics import Estimate, selection_factor


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A point that was run again. params is empty for the default. result: of the objective; test: percent."""

    params: Params
    result: Estimate
    test: Estimate
    rows: tuple[TrialRow, ...]


def points_to_confirm(searcher: Searcher, history: History, count: int) -> list[Params]:
    """The searcher's estimate of the best, then the points with the best mean results; at most `count`."""
    if count < 1:
        return []
    rows, losses, _ = ended_points(history)
    losses = np.where(whole(history, rows), losses, np.inf)
    ranked = [
        history.space.decode(rows[index]) for index in np.argsort(losses, kind="stable") if losses[index] < np.inf
    ]
    best = best_of(searcher, history)
    if history.budget is not None:  # Hyperband's best has been run on the largest budget
        best = {key: value for key, value in best.items() if key != history.budget}
    return [best, *(params for params in ranked if params != best)][:count]


def candidates(rows: Sequence[TrialRow]) -> list[Candidate]:
    """Trials grouped by point, in the order of each point's first trial."""
    groups: dict[str, list[TrialRow]] = {}
    for row in rows:
        groups.setdefault(repr(sorted(row.params.items())), []).append(row)
    return [_candidate(group) for group in groups.values()]


def winner(found: Sequence[Candidate], maximize: bool) -> Candidate | None:
    """The candidate with the best mean result, among those with the fewest failures; None if none has a result."""
    most = max((one.result.n for one in found), default=0)
    if most == 0:
        return None
    having = [one for one in found if one.result.n == most]  # one lucky result says less than three
    return max(having, key=lambda one: one.result.mean if maximize else -one.result.mean)


def difference(one: Candidate, other: Candidate, key: str | None = None) -> Estimate:
    """The mean of `one`'s results minus `other`'s, paired by seed; of the metric `key`, if given."""

    def values(candidate: Candidate) -> dict[int, float]:
        rows = (row for row in candidate.rows if row.state == FINISHED)
        found = {row.seed: row.value if key is None else row.metrics.get(key) for row in rows}
        return {seed: number for seed, value in found.items() if (number := finite(value)) is not None}

    mine, theirs = values(one), values(other)
    return Estimate.student([mine[seed] - theirs[seed] for seed in mine if seed in theirs])


def chosen_gain(best: Candidate, others: Sequence[Candidate], default: Candidate, key: str | None = None) -> Estimate:
    """The difference between the best candidate and the default; its interval allows for the choice of the best.

    others: the candidates that were not chosen. key: a metric; the more it correlates with the result, the wider the
    interval.
    """
    gain, count = difference(best, default, key), 1 + len(others)
    if gain.n < 2:
        return gain
    shared = 1.0 if key is None else shared_luck([best, *others, default], key)
    return gain.wider(selection_factor(gain.n, count, shared))


def shared_luck(found: Sequence[Candidate], key: str) -> float:
    """The correlation (at least 0) of result and metric among a candidate's trainings; 1 if it is unknown."""
    moves: list[np.ndarray] = []
    for one in found:
        rows = [(row.value, row.metrics[key]) for row in one.rows if row.state == FINISHED and key in row.metrics]
        if rows:
            pairs = np.array(rows, dtype=float)
            moves.append(pairs - pairs.mean(0))
    if not moves:
        return 1.0
    result, metric = np.concatenate(moves).T
    scale = np.sqrt((result**2).sum() * (metric**2).sum())
    return float(np.clip((result * metric).sum() / scale, 0, 1)) if scale > 0 else 1.0


def _candidate(rows: Sequence[TrialRow]) -> Candidate:
    ended = [row for row in rows if row.state == FINISHED and row.value is not None]
    tests = [number for row in ended if (number := finite(row.metrics.get("test_acc"))) is not None]
    return Candidate(
        params=rows[0].params,
        result=Estimate.of([row.value for row in ended if row.value is not None]),
        test=Estimate.of(tests),
        rows=tuple(rows),
    )


def pareto(rows: Sequence[TrialRow], metric: str, maximize: bool) -> list[TrialRow]:
    """The finished trials that no other beats in both result and `metric` (less is better), sorted by `metric`.

    Of trials that are equal in both, only the first. Trials without a number under `metric` are left out.
    """
    sign, having = (1 if maximize else -1), list[tuple[float, float, TrialRow]]()
    for row in rows:
        cost = finite(row.metrics.get(metric))  # a function may return anything
        if row.state == FINISHED and row.value is not None and cost is not None:
            having.append((cost, sign * row.value, row))
    front = pareto_front([cost for cost, _, _ in having], [value for _, value, _ in having])
    return [having[place][2] for place in front]
