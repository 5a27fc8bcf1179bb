"""Searchers without a model: random, grid, and a given list."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastcifar.search.history import History
from fastcifar.search.searcher import SpaceExhausted, best_mean, new_row
from fastcifar.search.spaces.space import Params, Space


@dataclass(frozen=True, kw_only=True)
class Random:
    """Draws from the prior; no point twice, unless `repeats`."""

    repeats: bool = False

    def suggest(self, space: Space, history: History, rng: np.random.Generator) -> Params:
        """The parameters of the next trial. Raises SpaceExhausted."""
        return space.decode(new_row(space, history, rng, lambda rng: space.sample(rng)[0], self.repeats))

    def best(self, history: History) -> Params:
        """The point with the best mean result."""
        return best_mean(history)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Every point of a finite space, in its order. A space with continuous parameters is refused."""

    def suggest(self, space: Space, history: History, rng: np.random.Generator) -> Params:
        """The first point that was not started yet. Raises SpaceExhausted; ValueError for a space without a list."""
        for row in space.points():
            if row not in history and space.admits(row):
                return space.decode(row)
        raise SpaceExhausted(f"all {space.size():,.0f} points of the space have been tried")

    def best(self, history: History) -> Params:
        """The point with the best mean result."""
        return best_mean(history)


@dataclass(frozen=True)
class Batch:
    """The trials of a given list, one after the other."""

    trials: Sequence[Params]

    def suggest(self, space: Space, history: History, rng: np.random.Generator) -> Params:
        """The first trial that may be tried and was not started yet, or not as often as it is listed.

        Raises SpaceExhausted.
        """
        started = Counter(row.tobytes() for row in history.rows)
        for trial in self.trials:
            row = space.encode(trial)
            if started[row.tobytes()]:
                started[row.tobytes()] -= 1
            elif space.admits(row):
                return dict(trial)
        raise SpaceExhausted(f"all {len(self.trials)} trials of the list have been tried")

    def best(self, history: History) -> Params:
        """The point with the best mean result."""
        return best_mean(history)
