"""Successive halving and Hyperband over an integer budget (Li et al. 2018, JMLR 18:185)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from fastcifar.search.history import FINISHED, RUNNING, STOPPED, History
from fastcifar.search.searcher import Searcher, SpaceExhausted
from fastcifar.search.simple import Random
from fastcifar.search.space import Params, Space

Rungs = list[tuple[int, int]]  # (trials, budget) of each rung


def hyperband_brackets(low: int, high: int, eta: int) -> list[Rungs]:
    """The brackets of Hyperband from `low` to `high` units a trial; the first starts with most trials."""
    steps = 0
    while low * eta ** (steps + 1) <= high:
        steps += 1
    return [
        [((steps + 1) // (s + 1) * eta ** (s - i), max(low, high // eta ** (s - i))) for i in range(s + 1)]
        for s in range(steps, -1, -1)
    ]


@dataclass(frozen=True, kw_only=True)
class Hyperband:
    """Tries many points on a small budget and goes on with the best third, in several mixtures of many and small.

    The history must have a budget (`History(space, budget="total_epoch")`), which `suggest` adds to the parameters.
    Where a rung still waits for results, the next bracket is begun. Brackets are repeated without end.

    low, high: smallest and largest budget of a trial. eta: one in `eta` goes on.
    searcher: proposes new points, from the results of the largest budget that has enough of them.
    halving: only the first bracket, over and over: successive halving (Jamieson and Talwalkar 2016).
    """

    low: int = 1
    high: int
    eta: int = 3
    searcher: Searcher = field(default_factory=Random)
    halving: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.low <= self.high or self.eta < 2:
            raise ValueError(f"1 <= low <= high and eta >= 2 are needed, not {self.low}, {self.high} and {self.eta}")

    def suggest(self, space: Space, history: History, rng: np.random.Generator) -> Params:
        """The parameters of the next trial, with its budget. Raises SpaceExhausted, ValueError without a budget."""
        if history.budget is None:
            raise ValueError('the history has no budget: History(space, budget="total_epoch")')
        for rungs, members in self._brackets(history):
            for rung, (count, budget) in enumerate(rungs):
                here = members[rung]
                if rung == 0 and len(here) < count:
                    try:
                        params = self.searcher.suggest(space, self._informed(history), rng)
                        return {**params, history.budget: budget}
                    except SpaceExhausted:
                        if not here:
                            raise
                elif len(here) < count:  # where too many have failed it stays so
                    promoted = self._promote(history, members[rung - 1], here, count)
                    if promoted is not None:
                        return {**space.decode(history.rows[promoted]), history.budget: budget}
                if any(history.states[trial] == RUNNING for trial in here):
                    break  # the next rung waits for results: look at the next bracket
        raise AssertionError("there is always another bracket")

    def best(self, history: History) -> Params:
        """The best result of the largest budget. Raises ValueError where no trial has ended."""
        ended = np.flatnonzero((history.states == FINISHED) | (history.states == STOPPED))
        if len(ended) == 0:
            raise ValueError("no trial has ended with a result")
        largest = ended[history.budgets[ended] == history.budgets[ended].max()]
        return history.space.decode(history.rows[largest[np.argmin(history.losses[largest])]])

    def _brackets(self, history: History) -> Iterator[tuple[Rungs, list[list[int]]]]:
        """Each bracket with the trials of its rungs, as the history shows them; then empty ones, without end."""
        kinds = hyperband_brackets(self.low, self.high, self.eta)
        if self.halving:
            kinds = kinds[:1]
        left = list(range(len(history)))
        number = 0
        while True:
            rungs = kinds[number % len(kinds)]
            members: list[list[int]] = [[] for _ in rungs]
            points: list[set[int]] = [set() for _ in rungs]
            for trial in list(left):
                rung = self._rung_of(history, trial, rungs, members, points)
                if rung is not None:
                    members[rung].append(trial)
                    points[rung].add(int(history.points[trial]))
                    left.remove(trial)
            yield rungs, members
            number += 1

    def _rung_of(
        self, history: History, trial: int, rungs: Rungs, members: list[list[int]], points: list[set[int]]
    ) -> int | None:
        """The rung that a trial belongs to: at the bottom a new point, above it a point of the rung below."""
        for rung, (count, budget) in enumerate(rungs):
            if history.budgets[trial] != budget or len(members[rung]) >= count:
                continue
            point = int(history.points[trial])
            if (point == trial) if rung == 0 else (point in points[rung - 1] and point not in points[rung]):
                return rung
        return None

    def _promote(self, history: History, below: list[int], here: list[int], count: int) -> int | None:
        """The best trial of the rung below, all of which have ended, that has not gone on yet; None where all have."""
        gone = {int(history.points[trial]) for trial in here}
        losses = history.losses[below]  # NaN, a failed trial, is sorted to the end and does not go on
        best = [below[i] for i in np.argsort(losses, kind="stable")[:count] if not np.isnan(losses[i])]
        return next((trial for trial in best if int(history.points[trial]) not in gone), None)

    def _informed(self, history: History) -> History:
        """What the searcher sees: all points as started, but only the results of one budget, the largest with 10."""
        ended = (history.states == FINISHED) | (history.states == STOPPED)
        budgets, counts = np.unique(history.budgets[ended], return_counts=True)
        enough = budgets[counts >= 10]
        chosen = enough[-1] if len(enough) else np.nan
        seen = History(history.space, history.maximize)
        for number in range(len(history)):
            trial = seen.start(history.rows[number])
            if history.states[number] != RUNNING:
                value = history.values[number] if history.budgets[number] == chosen else None
                seen.end(trial, value)
        return seen
