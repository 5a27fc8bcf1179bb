"""What has been tried: columns that grow at their end."""

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np

from fastcifar.search.spaces.space import Params, Space

RUNNING, FINISHED, STOPPED, FAILED = range(4)


class History:
    """The trials of one search, in the order in which they were started.

    Each column has one entry per trial: `rows` (n, D) the points of the space, `values` the result (NaN while there
    is none), `budgets`, `states` (RUNNING, ...), `points` the number of the first trial at the same point.
    `losses` is `values`, turned so that less is better.
    budget: name of a parameter that is not of the space but says how much a trial may cost, such as `total_epoch`.
    Trials are only added; a running one is ended once. A result that is not a finite number is a failure.
    """

    def __init__(self, space: Space, maximize: bool = False, budget: str | None = None) -> None:
        self.space, self.maximize, self.budget = space, maximize, budget
        self._size = 0
        self._rows = np.empty((16, len(space)))
        self._values = np.empty(16)
        self._budgets = np.empty(16)
        self._states = np.empty(16, np.int8)
        self._points = np.empty(16, np.int64)
        self._curves: dict[int, list[float]] = {}  # intermediate results
        self._first: dict[bytes, int] = {}  # row -> its first trial

    def __len__(self) -> int:
        return self._size

    def start(self, params: Params | np.ndarray, budget: float = np.nan) -> int:
        """Add a running trial; return its number. Raises ValueError for parameters that are not of the space."""
        if isinstance(params, np.ndarray):
            row = params
        else:
            if self.budget is not None and self.budget in params:
                budget = params[self.budget]
            row = self.space.encode({key: value for key, value in params.items() if key != self.budget})
        if self._size == len(self._values):
            self._grow()
        number = self._size
        self._rows[number], self._values[number] = row, np.nan
        self._budgets[number], self._states[number] = budget, RUNNING
        self._points[number] = self._first.setdefault(row.tobytes(), number)
        self._size += 1
        return number

    def end(self, number: int, value: float | None, state: int = FINISHED) -> None:
        """End a running trial with its result; where that is None, NaN or infinite, the trial has failed.

        Raises ValueError for a trial that is not running.
        """
        if not 0 <= number < self._size or self._states[number] != RUNNING:
            raise ValueError(f"trial {number} is not running")
        finite = value is not None and bool(np.isfinite(value))
        self._values[number] = value if finite else np.nan
        self._states[number] = state if finite else FAILED

    def report(self, number: int, value: float) -> None:
        """Add an intermediate result of a running trial. Raises ValueError for a trial that is not running."""
        if not 0 <= number < self._size or self._states[number] != RUNNING:
            raise ValueError(f"trial {number} is not running")
        self._curves.setdefault(number, []).append(float(value))

    def forget_reports(self, number: int) -> None:
        """Forget the intermediate results of a running trial that begins anew."""
        self._curves.pop(number, None)

    def loss_curve(self, number: int) -> np.ndarray:
        """The intermediate results of a trial so far, turned so that less is better; NaN counts as worst. (steps,)"""
        curve = np.array(self._curves.get(number, []))
        losses: np.ndarray = np.where(np.isnan(curve), np.inf, -curve if self.maximize else curve)
        return losses

    def add(self, params: Mapping[str, Any] | np.ndarray, value: float | None, **columns: Any) -> int:
        """Add a trial that has ended already; `columns` are budget and state."""
        state = columns.pop("state", FINISHED)
        number = self.start(params if isinstance(params, np.ndarray) else dict(params), **columns)
        self.end(number, value, state)
        return number

    def of_budget(self, budget: float) -> "History":
        """The same trials, to be looked at: those that ended with another budget have no result.

        A stopped trial counts as finished. It shares its columns with this history, and cannot be added to.
        """
        seen = copy(self)
        running, chosen = self.states == RUNNING, self.budgets == budget
        with_result = chosen & (self.states != FAILED)
        seen._values = np.where(with_result, self.values, np.nan)
        seen._states = np.where(running, RUNNING, np.where(with_result, FINISHED, FAILED)).astype(np.int8)
        seen._budgets, seen.budget = np.full(len(self), np.nan), None
        return seen

    def __contains__(self, row: np.ndarray) -> bool:
        """Whether a point (D,) was started before."""
        return row.tobytes() in self._first

    @property
    def num_points(self) -> int:
        """The number of distinct points that were started."""
        return len(self._first)

    @property
    def rows(self) -> np.ndarray:
        return self._rows[: self._size]

    @property
    def values(self) -> np.ndarray:
        return self._values[: self._size]

    @property
    def losses(self) -> np.ndarray:
        return -self.values if self.maximize else self.values

    @property
    def budgets(self) -> np.ndarray:
        return self._budgets[: self._size]

    @property
    def states(self) -> np.ndarray:
        return self._states[: self._size]

    @property
    def points(self) -> np.ndarray:
        return self._points[: self._size]

    def _grow(self) -> None:
        for name in ("_rows", "_values", "_budgets", "_states", "_points"):
            column = getattr(self, name)
            larger = np.empty((2 * len(column), *column.shape[1:]), column.dtype)
            larger[: self._size] = column
            setattr(self, name, larger)
