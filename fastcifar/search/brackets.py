"""The brackets of successive halving and Hyperband, and which trials of a history are in them."""

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from fastcifar.search.history import History

Rungs = list[tuple[int, int]]  # (trials, budget) of each rung


def hyperband_brackets(low: int, high: int, eta: int) -> list[Rungs]:
    """The brackets of Hyperband from `low` to `high` units a trial; the first starts with most trials."""
    steps = 0
    while low * eta ** (steps + 1) <= high:
        steps += 1
    return [
        [((steps + 1) // (s + 1) * eta ** (s - i), max(low, high // eta ** (s - i))) for i in range(s + 1)]
        for s in range(steps, -1, -1)
    ]


@dataclass(kw_only=True)
class Bracket:
    """members: the trials of each rung, in order. points: of these trials.

    closed: no result is awaited, and nothing is left to do; it is opened again by another trial.
    """

    rungs: Rungs
    members: list[list[int]] = field(init=False)
    points: list[set[int]] = field(init=False)
    closed: bool = False

    def __post_init__(self) -> None:
        self.members = [[] for _ in self.rungs]
        self.points = [set() for _ in self.rungs]

    def take(self, trial: int, point: int, budget: float) -> None:
        """Put a trial into the first rung that has room for it: the lowest for a new point, else above that point."""
        for rung, (count, size) in enumerate(self.rungs):
            if size != budget or len(self.members[rung]) >= count:
                continue
            if (point == trial) if rung == 0 else (point in self.points[rung - 1] and point not in self.points[rung]):
                self.members[rung].append(trial)
                self.points[rung].add(point)
                self.closed = False
                return


class Brackets:
    """The brackets that a history fills: `kinds`, over and over. A new trial costs the same however many there are.

    A trial is in the first bracket that takes it. One that none takes, as its budget is none of theirs, is left out.
    """

    def __init__(self, kinds: list[Rungs]) -> None:
        self.kinds = kinds
        self.brackets: list[Bracket] = []
        self.known = 0  # trials of the history that were looked at
        self.opened: list[int] = []  # brackets that are not closed, in order
        self.new = [0] * len(kinds)  # trials of new points that brackets of each kind have taken
        self.homes: dict[int, int] = {}  # point -> the bracket that took it

    def update(self, history: History) -> None:
        """Take in the trials that were started since the last call."""
        for trial in range(self.known, len(history)):
            self._take(trial, int(history.points[trial]), float(history.budgets[trial]))
        self.known = len(history)

    def open(self) -> Iterator[Bracket]:
        """The brackets that are not closed, in order; then empty ones, without end."""
        for number in list(self.opened):
            yield self.brackets[number]
            if self.brackets[number].closed:
                self.opened.remove(number)
        while True:
            yield self._bracket(len(self.brackets))

    def _take(self, trial: int, point: int, budget: float) -> None:
        number = self._home(budget) if point == trial else self.homes.get(point)
        if number is None:
            return
        self.homes[point] = number
        bracket = self._bracket(number)
        before = bracket.closed
        bracket.take(trial, point, budget)
        if before and not bracket.closed:
            insort(self.opened, number)

    def _home(self, budget: float) -> int | None:
        """The first bracket with room for a new point; None where none begins with this budget."""
        for kind, rungs in enumerate(self.kinds):
            count, size = rungs[0]
            if size == budget:
                full = self.new[kind] // count
                self.new[kind] += 1
                return kind + full * len(self.kinds)
        return None

    def _bracket(self, number: int) -> Bracket:
        while len(self.brackets) <= number:
            self.opened.append(len(self.brackets))
            self.brackets.append(Bracket(rungs=self.kinds[len(self.brackets) % len(self.kinds)]))
        return self.brackets[number]


_FILLED: WeakKeyDictionary[History, list[Brackets]] = WeakKeyDictionary()


def filled_brackets(kinds: list[Rungs], history: History) -> Brackets:
    """The brackets of a history. Those of the last call are brought up to date: trials are only added to a history."""
    of_history = _FILLED.setdefault(history, [])
    found = next((one for one in of_history if one.kinds == kinds), None)
    if found is None:
        found = Brackets(kinds)
        of_history.append(found)
    found.update(history)
    return found
