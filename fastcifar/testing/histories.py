"""Histories of every kind, and whether one was changed."""

from collections.abc import Iterator

import numpy as np

from fastcifar.search.history import FAILED, FINISHED, RUNNING, STOPPED, History
from fastcifar.search.spaces.space import Space

TRIALS = 24  # of a history that is filled beforehand: beyond the random start of most searchers
ENDS = (FINISHED, FAILED, FINISHED, RUNNING, STOPPED, FINISHED)  # over and over
VALUES = (1.0, None, 1.0, None, 2.0, -3.0)  # of those: ties, and a best one


def begin_and_end(history: History, number: int) -> None:
    """Let the trial that was just started report and end, as ENDS says of its number; one in six goes on running."""
    value, state = VALUES[number % 6], ENDS[number % 6]
    if state == RUNNING:
        return
    history.report(number, 2.0 if value is None else value + 1)
    history.end(number, value, state)


def histories(space: Space, budget: str | None) -> Iterator[tuple[str, History]]:
    """Histories with what they have, in words, of points that nobody has suggested; in both directions."""
    for maximize in (False, True):
        way = "maximized" if maximize else "minimized"
        for name, states in (("running", RUNNING), ("failed", FAILED), ("stopped", STOPPED), ("mixed", None)):
            history = History(space, maximize, budget)
            rows = space.sample(np.random.default_rng(len(name)), TRIALS)
            if states == FAILED:
                rows = rows[:3]  # so that most of a finite space is left
            for number, row in enumerate(rows[repeated(len(rows))]):
                history.start(row, 1.0 if budget else np.nan)
                if states is None:
                    begin_and_end(history, number)
                elif states != RUNNING:
                    history.report(number, float("nan"))
                    history.end(number, None if states == FAILED else 1.5, states)
            yield f"{way}, with {name} trials", history


def repeated(count: int) -> np.ndarray:
    """The numbers from 0; every eighth repeats the one before it, so the trial repeats a point. (count,)"""
    numbers = np.arange(count)
    return np.where(numbers % 8 == 7, numbers - 1, numbers)


def rebuilt(history: History) -> History:
    """The same trials in a new history, made in one go."""
    copy = History(history.space, history.maximize, history.budget)
    for number in range(len(history)):
        copy.start(history.rows[number].copy(), float(history.budgets[number]))
        for loss in history.loss_curve(number):
            copy.report(number, -loss if history.maximize else loss)
        if history.states[number] != RUNNING:
            failed = history.states[number] == FAILED
            copy.end(number, None if failed else float(history.values[number]), int(history.states[number]))
    return copy


def snapshot(history: History) -> tuple[object, ...]:
    """All that is in a history: equal before and after where nothing has changed it."""
    columns = (history.rows, history.values, history.budgets, history.states, history.points)
    curves = tuple(tuple(history.loss_curve(number)) for number in range(len(history)))
    return (len(history), history.num_points, history.maximize, history.budget, curves, *(c.tobytes() for c in columns))
