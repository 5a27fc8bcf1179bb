"""Regularized evolution: a population that ages (Real et al. 2019, arXiv 1802.01548)."""

from dataclasses import dataclass

import numpy as np

from fastcifar.search.history import FINISHED, STOPPED, History
from fastcifar.search.searcher import best_mean, new_row
from fastcifar.search.space import Params, Space


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
            return mutate(space, history.rows[drawn[np.argmin(history.losses[drawn])]], rng)

        return space.decode(new_row(space, history, rng, child))

    def best(self, history: History) -> Params:
        """The point with the best mean result. Raises ValueError where no trial has ended."""
        return best_mean(history)


def mutate(space: Space, row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A copy of a point (D,) in which one parameter has another value.

    An ordered finite parameter moves to a neighbour, any other is drawn anew; with a branch come new parameters.
    """
    child = row.copy()
    active = [i for i in np.flatnonzero(~np.isnan(row)) if not _fixed(space, int(i))]
    if not active:
        return child
    index = int(rng.choice(active))
    parameter = space.parameters[index]
    if parameter.values is None:
        child[index] = parameter.sample(rng, 1)[0]
    elif parameter.ordered:
        steps = [s for s in (-1, 1) if 0 <= row[index] + s < len(parameter.values)]
        child[index] += rng.choice(steps)
    else:
        child[index] = rng.choice([v for v in range(len(parameter.values)) if v != row[index]])
    for number, below in enumerate(space.parameters):
        if below.parent is None:
            continue
        choice, option = below.parent
        if child[choice] != option:  # also where the choice itself is not there: NaN is unequal to all
            child[number] = np.nan
        elif np.isnan(child[number]):
            child[number] = below.sample(rng, 1)[0]
    return child


def _fixed(space: Space, index: int) -> bool:
    values = space.parameters[index].values
    return values is not None and len(values) == 1
