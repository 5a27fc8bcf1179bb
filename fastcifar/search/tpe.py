"""The tree-structured Parzen estimator.

Bergstra et al. 2011, multivariate, with settings of Watanabe 2023 (arXiv 2304.11127): good points weighted by their
improvement, a floor of the bandwidth, the prior kept as one component. Beyond that, ordered values have ordered
kernels whose mass is integrated over each value's cell, repeated evaluations of a point count as one with their mean,
and trials that are still running count as bad, so that their neighbourhood is not tried at once.
"""

import math
from dataclasses import dataclass

import numpy as np

from fastcifar.search.density import Density
from fastcifar.search.history import RUNNING, History
from fastcifar.search.searcher import best_mean, ended_points, new_row
from fastcifar.search.spaces.space import Params, Space


@dataclass(frozen=True, kw_only=True)
class TPE:
    """Tries what is dense among the good results and thin among the others.

    startup: points with a result before the first estimate; until then points are drawn from the prior.
    candidates: points drawn from the density of the good ones; the one with the best ratio is taken.
    good_share, max_good: the good results are the best min(ceil(good_share * n), max_good) of n points.
    bandwidth: standard deviation of a kernel as a share of the parameter's range, for a single result; for n of them
        it shrinks with n^(-1 / (D + 4)) (Scott 1992), but not below `min_bandwidth`.
    repeats: whether a point may be suggested again.
    """

    startup: int = 10
    candidates: int = 24
    good_share: float = 0.15
    max_good: int = 25
    bandwidth: float = 0.1
    min_bandwidth: float = 0.02
    repeats: bool = False

    def suggest(self, space: Space, history: History, rng: np.random.Generator) -> Params:
        """The parameters of the next trial. Raises SpaceExhausted."""
        rows, losses, _ = ended_points(history)
        if len(losses) < self.startup:
            return space.decode(new_row(space, history, rng, lambda rng: space.sample(rng)[0], self.repeats))
        good, other = self.densities(space, rows, losses, history.rows[history.states == RUNNING])

        def draw(rng: np.random.Generator) -> np.ndarray:
            drawn = good.sample(rng, self.candidates)
            order = np.argsort(other.log(drawn) - good.log(drawn), kind="stable")
            for row in drawn[order]:
                if (self.repeats or row not in history) and space.admits(row):
                    break
            else:
                row = drawn[order[0]]
            best: np.ndarray = row
            return best

        return space.decode(new_row(space, history, rng, draw, self.repeats))

    def best(self, history: History) -> Params:
        """The point with the best mean result. Raises ValueError where no trial has ended."""
        return best_mean(history)

    def densities(
        self, space: Space, rows: np.ndarray, losses: np.ndarray, running: np.ndarray
    ) -> tuple[Density, Density]:
        """The densities of the good and of the other points; rows (n, D), losses (n,), running (m, D)."""
        num_good = self._num_good(len(losses))
        order = np.argpartition(losses, min(num_good, len(losses) - 1))  # the best, the next, the others
        good, bad = order[:num_good], order[num_good:]
        threshold = losses[bad[0]] if len(bad) else losses[good].max()
        improvement = threshold - losses[good]
        total = improvement.sum()
        weights = improvement * (num_good / total) if total > 0 else np.ones(num_good)
        others = np.concatenate([rows[bad], running])
        return (
            Density(space, rows[good], weights, self._bandwidth(num_good, len(space))),
            Density(space, others, np.ones(len(others)), self._bandwidth(len(others), len(space))),
        )

    def _num_good(self, n: int) -> int:
        return min(math.ceil(self.good_share * n), self.max_good)

    def _bandwidth(self, n: int, dimensions: int) -> float:
        return max(self.min_bandwidth, self.bandwidth * math.pow(max(n, 1), -1 / (dimensions + 4)))
