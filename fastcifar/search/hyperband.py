"""Successive halving and Hyperband over an integer budget (Li et al. 2018, JMLR 18:185)."""

from dataclasses import dataclass, field

import numpy as np

from fastcifar.search.brackets import Bracket, Rungs, filled_brackets, hyperband_brackets
from fastcifar.search.history import FINISHED, RUNNING, STOPPED, History
from fastcifar.search.searcher import Searcher, SpaceExhausted
from fastcifar.search.simple import Random
from fastcifar.search.spaces.space import Params, Space


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
        for bracket in filled_brackets(self._kinds(), history).open():
            params = self._within(bracket, space, history, rng)
            if params is not None:
                return params
        raise AssertionError("there is always another bracket")

    def best(self, history: History) -> Params:
        """The best result of the largest budget. Raises ValueError where no trial has ended."""
        ended = np.flatnonzero((history.states == FINISHED) | (history.states == STOPPED))
        if len(ended) == 0:
            raise ValueError("no trial has ended with a result")
        largest = ended[history.budgets[ended] == history.budgets[ended].max()]
        return history.space.decode(history.rows[largest[np.argmin(history.losses[largest])]])

    def _kinds(self) -> list[Rungs]:
        return hyperband_brackets(self.low, self.high, self.eta)[: 1 if self.halving else None]

    def _within(self, bracket: Bracket, space: Space, history: History, rng: np.random.Generator) -> Params | None:
        """The next trial of a bracket; None where it waits for results, or is at its end: that is noted there."""
        assert history.budget is not None
        for rung, (count, budget) in enumerate(bracket.rungs):
            here = bracket.members[rung]
            if rung == 0 and len(here) < count:
                try:
                    return {**self.searcher.suggest(space, self._informed(history), rng), history.budget: budget}
                except SpaceExhausted:
                    if not here:
                        raise
            elif len(here) < count:  # where too many have failed it stays so
                promoted = self._promote(history, bracket, rung)
                if promoted is not None:
                    return {**space.decode(history.rows[promoted]), history.budget: budget}
            if (history.states[here] == RUNNING).any():
                return None
        bracket.closed = len(bracket.members[0]) == bracket.rungs[0][0]
        return None

    def _promote(self, history: History, bracket: Bracket, rung: int) -> int | None:
        """The best trial of the rung below that has not gone on yet; None if all have. All of that rung have ended."""
        below, gone = bracket.members[rung - 1], bracket.points[rung]
        losses = history.losses[below]  # NaN, a failed trial, is sorted to the end and does not go on
        order = np.argsort(losses, kind="stable")[: bracket.rungs[rung][0]]
        best = [below[i] for i in order if not np.isnan(losses[i])]
        return next((trial for trial in best if int(history.points[trial]) not in gone), None)

    def _informed(self, history: History) -> History:
        """What the searcher sees: all points as started, but only the results of one budget, the largest with 10."""
        ended = (history.states == FINISHED) | (history.states == STOPPED)
        budgets, counts = np.unique(history.budgets[ended], return_counts=True)
        enough = budgets[counts >= 10]
        return history.of_budget(enough[-1] if len(enough) else np.nan)
