"""The contract of a searcher (`fastcifar.search.searcher.Searcher`), asked for rule by rule."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import ThreadpoolController

from fastcifar.experiment.gate import plain
from fastcifar.search.history import FINISHED, STOPPED, History
from fastcifar.search.searcher import Searcher, SpaceExhausted, trial_rng
from fastcifar.search.spaces.space import MAX_POINTS, Params, Space
from fastcifar.testing.contract import BrokenContract, global_generators_unused, must, no_exception
from fastcifar.testing.histories import begin_and_end, histories, rebuilt, snapshot
from fastcifar.testing.made_spaces import allowed, off_space, same
from fastcifar.testing.made_spaces import spaces as all_spaces

STEPS = 8  # of a search in a space without end
ROUNDS = 20  # suggestions for each point of a finite space, after which a searcher with a budget must have ended


def check_searcher(
    make: Callable[[], Searcher],
    *,
    spaces: Mapping[str, Space] | None = None,
    budget: str | None = None,
    repeats: bool = False,
    whole: bool = True,
) -> None:
    """Hold a searcher against its contract. Raises BrokenContract, which names the rule and what was found.

    make: gives a new searcher, with the same settings each time.
    spaces: those that it takes, by name; by default `fastcifar.testing.spaces()`. One that needs a list of all points
    takes `finite_spaces()`.
    budget: the parameter that it adds to those of the space, as Hyperband does. repeats: whether it may suggest a point
    again. whole: whether it tries all of a finite space before SpaceExhausted.
    """
    make()  # brings the libraries that it computes with
    with ThreadpoolController().limit(limits=1):  # as in a search
        for name, space in (all_spaces() if spaces is None else spaces).items():
            _check(make, name, space, budget, repeats, whole)


def _check(
    make: Callable[[], Searcher], name: str, space: Space, budget: str | None, repeats: bool, whole: bool
) -> None:
    """All rules in one space."""
    held = Held(make=make, space=space, where=name, budget=budget, repeats=repeats, whole=whole)
    _search(held)
    if space.size() > 1:
        _search(replace(held, space=replace(space, allowed=allowed), where=f"{name}, where half is allowed"))
    for what, history in histories(space, budget):
        filled = replace(held, where=f"{name}, {what}")
        filled.suggestion(make(), history, 0)
        _best(filled, history)
    _clear_winner(held)


@dataclass(frozen=True, kw_only=True)
class Held:
    """A searcher that is held against its contract in one space; `where` names it in messages."""

    make: Callable[[], Searcher]
    space: Space
    where: str
    budget: str | None
    repeats: bool
    whole: bool

    def suggestion(self, searcher: Searcher, history: History, seed: int) -> Params | None:
        """What is suggested, None where the space is used up: each rule that holds of a single suggestion."""
        what = f"suggest, after {len(history)} trials in the space {self.where},"
        before, copy = snapshot(history), rebuilt(history)
        found = self._asked(searcher, history, seed, what)
        must(snapshot(history) == before, "the history is not changed", f"{what} changes it")
        for again, other in (("a new searcher", self.make()), ("the same searcher, asked again,", searcher)):
            second = self._asked(other, copy, seed, what)
            must(
                second == found,
                "the same history and seed give the same suggestion",
                f"{what} gives {found}, then {again} {second}",
            )
        if found is None:
            self._used_up(history, what)
        else:
            self._point(found, history, what)
        return found

    def _asked(self, searcher: Searcher, history: History, seed: int, what: str) -> Params | None:
        with (
            global_generators_unused(what),
            no_exception("suggest works with any history, and raises nothing but SpaceExhausted", what),
        ):
            try:
                params: Params = plain(searcher.suggest(self.space, history, trial_rng(seed, len(history))))
                return params
            except SpaceExhausted:
                return None

    def _point(self, params: Params, history: History, what: str) -> None:
        point = dict(params)
        if self.budget is not None:
            given = point.pop(self.budget, None)
            held = isinstance(given, int | float) and 0 < given < float("inf")
            must(held, f"{self.budget} is a number above 0", f"{what} gives {given!r}")
        wrong = off_space(self.space, point)
        must(wrong is None, "a suggestion is a point of the space", f"{what} gives {params}; {wrong}")
        row = self.space.encode(point)
        must(self.space.admits(row), "a suggestion is a point that may be tried", f"{what} gives {params}")
        if self.repeats or self.space.size() > MAX_POINTS:
            return
        before = np.flatnonzero([row.tobytes() == other.tobytes() for other in history.rows])
        if self.budget is not None:
            before = before[history.budgets[before] == params[self.budget]]
        must(len(before) == 0, "no trial of a finite space is suggested twice", f"{what} gives {params} again")

    def _used_up(self, history: History, what: str) -> None:
        finite = self.space.size() <= MAX_POINTS
        must(finite, "only a finite space is used up", f"{what} raises SpaceExhausted")
        if self.whole:
            left = [row for row in self.space.points() if row not in history and self.space.admits(row)]
            must(
                not left,
                "a space is used up when all its points were tried",
                f"{what} raises SpaceExhausted, with {len(left)} of them left",
            )


def _search(held: Held) -> None:
    """From no trial on, to the end of a finite space; the searcher's earlier calls must have left nothing behind."""
    searcher, history = held.make(), History(held.space, budget=held.budget)
    finite = held.space.size() <= MAX_POINTS and not held.repeats
    steps = STEPS
    if finite:
        steps = int(held.space.size()) * (1 if held.budget is None else ROUNDS) + 1
    for number in range(steps):
        params = held.suggestion(searcher, history, 3)
        if params is None:
            return
        history.start(params)
        begin_and_end(history, number)
    must(not finite, "a finite space is used up at last", f"no SpaceExhausted in {steps} suggestions in {held.where}")


def _best(held: Held, history: History) -> None:
    """`best` is a point that has a result; without one it says so."""
    before, what = snapshot(history), f"best, after {len(history)} trials in the space {held.where},"
    ended = history.rows[(history.states == FINISHED) | (history.states == STOPPED)]
    if len(ended) == 0:
        try:
            found = held.make().best(history)
        except ValueError:
            return
        raise BrokenContract(f"best raises ValueError where no trial has a result: {what} gives {found}")
    with global_generators_unused(what), no_exception("best works with any result", what):
        found = held.make().best(history)
    must(snapshot(history) == before, "the history is not changed", f"{what} changes it")
    wrong = off_space(held.space, found)
    must(wrong is None, "best is a point of the space", f"{what} gives {found}; {wrong}")
    tried = [held.space.decode(row) for row in ended]
    must(any(same(found, one) for one in tried), "best is a point that has a result", f"{what} gives {found}")


def _clear_winner(held: Held) -> None:
    """Of points with results that are far apart, each there three times, `best` is the best in both directions."""
    rows = list({row.tobytes(): row for row in held.space.sample(np.random.default_rng(1), 20)}.values())[:4]
    for maximize in (False, True):
        history = History(held.space, maximize, held.budget)
        for value, row in list(enumerate(rows)) * 3:
            history.add(row, 100.0 * value, budget=1.0 if held.budget else np.nan)
        wanted = held.space.decode(rows[-1 if maximize else 0])
        found = held.make().best(history)
        must(
            same(found, wanted),
            f"best has the {'greatest' if maximize else 'least'} result where nothing else is near it",
            f"best gives {found}, not {wanted}, in the space {held.where}",
        )
