"""Each searcher of ours keeps the contract; each way to break it is found, by the sentence that names the rule."""

import random

import numpy as np
import pytest

from fastcifar.search import GP, TPE, Batch, Evolution, Grid, Hyperband, Random, Space, SpaceExhausted
from fastcifar.testing import BrokenContract, check_searcher, finite_spaces, spaces
from fastcifar.testing.made_spaces import allowed

LISTED = Space.from_dict({key: {"_type": "choice", "_value": [1, 2, 3, 4]} for key in ("a", "b")})
LIST = [{"a": a, "b": b} for a, b in ((1, 4), (2, 2), (4, 1), (3, 3), (1, 1))]
OURS = {
    "Random": (Random, {}),
    "Random with repeats": (lambda: Random(repeats=True), {"repeats": True}),
    "Grid": (Grid, {"spaces": finite_spaces()}),
    "TPE": (lambda: TPE(startup=5), {}),
    "TPE with repeats": (lambda: TPE(startup=5, repeats=True), {"repeats": True}),
    "GP": (lambda: GP(startup=5), {}),
    "Evolution": (lambda: Evolution(population=4, sample=2), {}),
    "Hyperband": (lambda: Hyperband(high=9), {"budget": "total_epoch"}),
    "Hyperband with TPE": (lambda: Hyperband(high=4, eta=2, searcher=TPE(startup=5)), {"budget": "total_epoch"}),
    "halving": (lambda: Hyperband(high=9, halving=True), {"budget": "total_epoch"}),
    "Batch": (lambda: Batch(LIST), {"spaces": {"listed": LISTED}, "whole": False}),
}


@pytest.mark.parametrize("name", OURS)
def test_ours_keep_the_contract(name):
    make, options = OURS[name]
    check_searcher(make, **options)


class Leaves(Random):
    """A number beyond its bounds, now and then."""

    def suggest(self, space, history, rng):
        params = super().suggest(space, history, rng)
        return {**params, "u": 1.5} if "u" in params and len(history) > 3 else params


class Misses(Random):
    """A parameter is not there."""

    def suggest(self, space, history, rng):
        params = super().suggest(space, history, rng)
        params.popitem()
        return params


class DrawsGlobally(Random):
    def suggest(self, space, history, rng):
        return super().suggest(space, history, np.random.default_rng(np.random.randint(1000)))


class SeedsGlobally(Random):
    def suggest(self, space, history, rng):
        random.seed(3)
        return super().suggest(space, history, rng)


class DrawsUnseeded(Random):
    def suggest(self, space, history, rng):
        return super().suggest(space, history, np.random.default_rng())


class Remembers:
    """What it has suggested, instead of looking at the history."""

    def __init__(self):
        self.number = 0

    def suggest(self, space, history, rng):
        points = space.points()
        if self.number == len(points):
            raise SpaceExhausted
        self.number += 1
        return space.decode(points[self.number - 1])

    def best(self, history):
        return Random().best(history)


class Repeats(Random):
    """Goes round for ever."""

    def suggest(self, space, history, rng):
        points = space.points()
        return space.decode(points[len(history) % len(points)])


class GivesUp(Random):
    def suggest(self, space, history, rng):
        if history.num_points > 4:
            raise SpaceExhausted
        return super().suggest(space, history, rng)


class Changes(Random):
    def suggest(self, space, history, rng):
        params = super().suggest(space, history, rng)
        history.values[np.isnan(history.values)] = 0.0
        return params


class Starts(Random):
    def suggest(self, space, history, rng):
        params = super().suggest(space, history, rng)
        history.start(params)
        return params


class NeedsResults(Random):
    """Works where a result is there already."""

    def suggest(self, space, history, rng):
        history.values[0]
        return super().suggest(space, history, rng)


class Disallowed(Random):
    def suggest(self, space, history, rng):
        left = [row for row in space.sample(rng, 100) if row not in history]
        if not left:
            raise SpaceExhausted
        return space.decode(left[0])


class Turned(Random):
    """Takes the greatest for the best, always."""

    def best(self, history):
        super().best(history)
        return history.space.decode(history.rows[np.nanargmax(history.values)])


class Untried(Random):
    def best(self, history):
        super().best(history)
        return history.space.decode(history.space.sample(np.random.default_rng(5))[0])


class AlwaysBest(Random):
    def best(self, history):
        return history.space.decode(history.rows[0])


class NoBudget(Random):
    pass


BROKEN = [
    (
        Leaves,
        {},
        "a suggestion is a point of the space: suggest, after 4 trials in the space numbers, gives {'u': 1.5,",
    ),
    (
        Misses,
        {},
        "a suggestion is a point of the space: suggest, after 0 trials in the space point, gives {}; only: it is",
    ),
    (DrawsGlobally, {}, "no global generator is drawn from or seeded: suggest, .* changes the state of numpy.random"),
    (SeedsGlobally, {}, "no global generator is drawn from or seeded: suggest, .* changes the state of random"),
    (DrawsUnseeded, {}, "the same history and seed give the same suggestion: suggest, after 0 trials in the space"),
    (Remembers, {"spaces": finite_spaces()}, "the same history and seed give the same suggestion: .*None"),
    (Repeats, {"spaces": finite_spaces()}, "no trial of a finite space is suggested twice: suggest, after 1 trials in"),
    (GivesUp, {}, "a space is used up when all its points were tried: .* raises SpaceExhausted, with 4 of them left"),
    (GivesUp, {"whole": False}, "only a finite space is used up: .* in the space numbers, raises SpaceExhausted"),
    (Changes, {}, "the history is not changed: suggest, after [0-9]+ trials in the space [^:]*, changes it"),
    (Starts, {}, "the history is not changed: suggest, after 0 trials in the space point, changes it"),
    (NeedsResults, {}, "suggest works with any history, and raises nothing but SpaceExhausted: .* raises IndexError"),
    (Disallowed, {}, "a suggestion is a point that may be tried: .* where half is allowed, gives"),
    (Turned, {}, "best has the least result where nothing else is near it: best gives"),
    (Untried, {}, "best is a point that has a result: best, after"),
    (AlwaysBest, {}, "best raises ValueError where no trial has a result: best, after"),
    (NoBudget, {"budget": "total_epoch"}, "total_epoch is a number above 0: .* gives None"),
]


@pytest.mark.parametrize(("broken", "options", "sentence"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_what_breaks_the_contract_is_found(broken, options, sentence):
    with pytest.raises(BrokenContract, match=f"^{sentence}"):
        check_searcher(broken, **options)


def test_a_space_that_is_never_used_up_is_found():
    """With a budget that grows no two trials are the same."""

    class Grows(Random):
        def suggest(self, space, history, rng):
            return {**space.decode(space.points()[0]), "budget": len(history) + 1}

    with pytest.raises(BrokenContract, match=r"^a finite space is used up at last: no SpaceExhausted in 21 sugg"):
        check_searcher(Grows, spaces={"point": spaces()["point"]}, budget="budget")


def test_half_of_each_space_is_allowed():
    for space in finite_spaces().values():
        points = [space.decode(row) for row in space.points()]
        assert len(points) == 1 or 0 < sum(map(allowed, points)) < len(points)
