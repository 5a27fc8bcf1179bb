"""Search with a Gaussian process (see `surrogate`): for results that cost seconds, not microseconds."""

from dataclasses import dataclass

import numpy as np

from fastcifar.search.history import RUNNING, History
from fastcifar.search.moves import neighbours
from fastcifar.search.searcher import ended_points, new_row, whole
from fastcifar.search.spaces.space import Params, Space
from fastcifar.search.surrogate import Kernel, Surrogate, fitted, levelled, scaled

GROWTH = 1.2  # the kernel is fitted anew when there are so many times more points than at the last fit


@dataclass(frozen=True, kw_only=True)
class GP:
    """Tries what could be best: where the expected loss less `exploration` standard deviations is lowest.

    A running trial counts as if it had given what is expected of it (Ginsbourger et al. 2010).

    startup: points with a result before the first estimate; until then points are drawn from the prior.
    exploration: standard deviations by which uncertain points are favoured (Srinivas et al. 2010).
    candidates: points drawn from the prior; besides them neighbours of the best are looked at.
    max_points: points that the process is given; of more the best half of that, and the newest of the others.
    repeats: whether a point may be suggested again.
    """

    startup: int = 8
    exploration: float = 2.5
    candidates: int = 300
    max_points: int = 200
    repeats: bool = False

    def suggest(self, space: Space, history: History, rng: np.random.Generator) -> Params:
        """The parameters of the next trial. Raises SpaceExhausted."""
        rows, losses, counts = ended_points(history)
        if len(losses) < self.startup:
            return space.decode(new_row(space, history, rng, lambda rng: space.sample(rng)[0], self.repeats))
        rows, surrogate = self._surrogate(space, rows, losses, counts)
        top = rows[np.argsort(surrogate.known())[:6]]
        running = history.rows[history.states == RUNNING]
        if len(running):
            surrogate = surrogate.with_expected(scaled(space, running))

        more = 1 / len(space)

        def draw(rng: np.random.Generator) -> np.ndarray:
            drawn = np.concatenate(
                [space.sample(rng, self.candidates), neighbours(space, top.repeat(20, axis=0), rng, more)]
            )
            first = self._lowest(space, history, surrogate, drawn)
            around = neighbours(space, np.tile(first, (40, 1)), rng, more)
            return self._lowest(space, history, surrogate, np.concatenate([first[None], around]))

        return space.decode(new_row(space, history, rng, draw, self.repeats))

    def best(self, history: History) -> Params:
        """The tried point with the lowest expected loss. Raises ValueError where no trial has ended."""
        rows, losses, counts = ended_points(history)
        if len(losses) == 0:
            raise ValueError("no trial has ended with a result")
        if len(losses) >= self.startup:
            rows, surrogate = self._surrogate(history.space, rows, losses, counts)
            losses = surrogate.known()
        return history.space.decode(rows[np.argmin(np.where(whole(history, rows), losses, np.inf))])

    def _surrogate(
        self, space: Space, rows: np.ndarray, losses: np.ndarray, counts: np.ndarray
    ) -> tuple[np.ndarray, Surrogate]:
        """The rows that the process is given, and the process."""
        kernel = self._kernel(space, rows, losses, counts)
        chosen = self._chosen(losses)
        rows, scores = rows[chosen], levelled(losses[chosen])
        return rows, Surrogate(kernel, scaled(space, rows), scores, counts[chosen])

    def _kernel(self, space: Space, rows: np.ndarray, losses: np.ndarray, counts: np.ndarray) -> Kernel:
        """Fitted to the first results only, as many as the last fit would have had."""
        size = self.startup
        while max(size + 1, int(size * GROWTH)) <= len(losses):
            size = max(size + 1, int(size * GROWTH))
        chosen = self._chosen(losses[:size])
        return fitted(space, scaled(space, rows[chosen]), levelled(losses[chosen]), counts[chosen])

    def _chosen(self, losses: np.ndarray) -> np.ndarray:
        if len(losses) <= self.max_points:
            return np.arange(len(losses))
        order = np.argsort(losses, kind="stable")
        half = self.max_points // 2
        return np.sort(np.concatenate([order[:half], np.sort(order[half:])[-(self.max_points - half) :]]))

    def _lowest(self, space: Space, history: History, surrogate: Surrogate, rows: np.ndarray) -> np.ndarray:
        """The most promising of the rows (n, D); of those that are new, if any is and repeats are not wanted."""
        if not self.repeats:
            fresh = np.array([row not in history for row in rows])
            rows = rows[fresh] if fresh.any() else rows
        mean, deviation = surrogate(scaled(space, rows))
        order = np.argsort(mean - self.exploration * deviation)
        first = next((index for index in order if space.admits(rows[index])), order[0])
        lowest: np.ndarray = rows[first]
        return lowest
