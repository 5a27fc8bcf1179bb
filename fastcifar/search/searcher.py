"""The contract of a searcher, and what several of them need."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from fastcifar.search.history import FINISHED, STOPPED, History
from fastcifar.search.spaces.space import MAX_POINTS, Params, Space

PATIENCE = 1000  # the same, where few points may be allowed
TRIES = 20  # at drawing a point that is new, before the points that are left are listed


class SpaceExhausted(Exception):
    """Every point of a finite space has been tried."""


class Searcher(Protocol):
    """Says what to try next. A pure function of its arguments: there is nothing to save.

    `rng` is made of the search's seed and the trial's number (`trial_rng`); nothing else is drawn from. The history is
    not changed; it may be empty, and have trials of any state at any points. Less is better in its `losses`, whatever
    is maximized. `fastcifar.testing.check_searcher` holds a searcher against all of this.
    """

    def suggest(self, space: Space, history: History, rng: np.random.Generator) -> Params:
        """The parameters of the next trial: a point of the space that may be tried (`Space.admits`).

        In a finite space each point is suggested once. Raises SpaceExhausted when all have been.
        """
        ...

    def best(self, history: History) -> Params:
        """The searcher's estimate of the best point that has a result. Raises ValueError where no trial has one."""
        ...


def trial_rng(seed: int, number: int) -> np.random.Generator:
    """The generator of trial `number` (from 0) of a search."""
    return np.random.default_rng([seed, number])


def new_row(
    space: Space,
    history: History,
    rng: np.random.Generator,
    draw: Callable[[np.random.Generator], np.ndarray],
    repeats: bool = False,
) -> np.ndarray:
    """A row that `draw` gives, that may be tried and was not started before, the last unless `repeats`.

    In a small space in the end any that is left. Raises SpaceExhausted.
    """
    for _ in range(TRIES if space.allowed is None else PATIENCE):
        row = draw(rng)
        if (repeats or row not in history) and space.admits(row):
            return row
    size = space.size()
    if history.num_points >= size:
        raise SpaceExhausted(f"all {size:,.0f} points of the space have been tried")
    if size > MAX_POINTS and space.allowed is not None:
        raise SpaceExhausted(f"of {PATIENCE} points in a row none was new and allowed")
    if size > MAX_POINTS:
        return row  # practically continuous, and its repeats are wanted that much
    left = [row for row in space.points() if row not in history and space.admits(row)]
    if not left:
        raise SpaceExhausted("all points of the space that may be tried have been tried")
    chosen: np.ndarray = left[rng.integers(len(left))]
    return chosen


def ended_points(history: History) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distinct points that have a result: rows (m, D), mean losses (m,), numbers of results (m,).

    A stopped trial counts with what it had reached.
    """
    ended = np.flatnonzero((history.states == FINISHED) | (history.states == STOPPED))
    points, losses = history.points[ended], history.losses[ended]
    counts = np.bincount(points, minlength=len(history))
    sums = np.bincount(points, weights=losses, minlength=len(history))
    firsts = np.flatnonzero(counts)
    return history.rows[firsts], sums[firsts] / counts[firsts], counts[firsts]


def best_mean(history: History) -> Params:
    """The point with the best mean result. Raises ValueError where no trial has ended."""
    rows, losses, _ = ended_points(history)
    if len(losses) == 0:
        raise ValueError("no trial has ended with a result")
    return history.space.decode(rows[np.argmin(np.where(whole(history, rows), losses, np.inf))])


def whole(history: History, rows: np.ndarray) -> np.ndarray:
    """Which points (n, D) have a result of a trial that was not stopped; all of them, where none has. (n,)"""
    finished = {row.tobytes() for row in history.rows[history.states == FINISHED]}
    found = np.array([row.tobytes() in finished for row in rows], dtype=bool)
    return found if found.any() else np.ones(len(rows), dtype=bool)
