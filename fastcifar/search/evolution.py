"""Regularized evolution: a population that ages (Real et al. 2019, arXiv 1802.01548)."""

from dataclasses import dataclass

import numpy as np

from fastcifar.search.history import FINISHED, STOPPED, History
from fastcifar.search.moves import neighbours
from fastcifar.search.searcher import best_mean, new_row
from fastcifar.search.spaces.space import Params, Space


@dataclass(frozen=True, kw_only=True)
class Evolution:
    """Mutates the best of a few, drawn from the youngest results.

    population: number of youngest results that can be parents; until there are as many, points are random.
    sample: parents drawn; the best of them is mutated.
    """

    population: int = 20
    sample: int = 5

    def suggest(self, space: Space, history: History, rng: np.random.Generator) -> Params:
        """The parameters of the next trial. Raises SpaceExhausted."""
        ended = np.flatnonzero((history.states == FINISHED) | (history.states == STOPPED))
        if len(ended) < self.population:
            return space.decode(new_row(space, history, rng, lambda rng: space.sample(rng)[0]))
        young = ended[-self.population :]

        def child(rng: np.random.Generator) -> np.ndarray:
            drawn = rng.choice(young, min(self.sample, len(young)), replace=False)
            parent = history.rows[drawn[np.argmin(history.losses[drawn])]]
            mutant: np.ndarray = neighbours(space, parent[None], rng)[0]
            return mutant

        return space.decode(new_row(space, history, rng, child))

    def best(self, history: History) -> Params:
        """The point with the best mean result. Raises ValueError where no trial has ended."""
        return best_mean(history)
