"""One parameter of a search space: NNI's types, their samples, and the distance of values.

Every type has a latent number and a map from it to values. Searchers see the latent only:

- `uniform`, `loguniform`, `normal`, `lognormal`: the latent is the value, or its logarithm;
- the `q` types and `randint`: the same, cut into cells, one per value;
- `choice` of distinct numbers: ordered, a cell of width 1 for each, in the order of the numbers;
- any other `choice`: not ordered, a code from 0.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fastcifar.names import short, shown

Value = Any  # what a trial receives: any JSON value
MAX_VALUES = 100_000  # a finite parameter with more is not listed
SHOWN = 8  # of the values, in a message
LARGEST_LOG = 709.78  # of a float, 1.8e308
LEAST_POSITIVE = 1e-300  # stands for 0 where a logarithm is taken

TYPES = (
    "choice",
    "randint",
    "uniform",
    "quniform",
    "loguniform",
    "qloguniform",
    "normal",
    "qnormal",
    "lognormal",
    "qlognormal",
)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A leaf of the space.

    key: its name; inside a nested choice the path to it, `net/big/width`.
    kind: one of TYPES. args: the numbers of `_value`, or for `choice` its options.
    parent: (index of the enclosing choice, option of that choice), or None at the top.
    """

    key: str
    kind: str
    args: tuple[Any, ...]
    parent: tuple[int, int] | None = None
    branches: tuple[str, ...] | None = None  # names of a nested choice's options

    @property
    def log(self) -> bool:
        return "log" in self.kind

    @property
    def gaussian(self) -> bool:
        """Whether the prior is normal in the latent, without bounds."""
        return self.kind.endswith("normal")

    @property
    def quantum(self) -> float | None:
        """Distance between neighbouring values of a `q` type."""
        return float(self.args[2]) if self.kind.startswith("q") else None

    @cached_property
    def ordered(self) -> bool:
        """Whether neighbouring values can be expected to give similar results."""
        if self.kind != "choice":
            return True
        numbers = [v for v in self.args if isinstance(v, (int, float)) and not isinstance(v, bool)]
        return self.branches is None and len(numbers) == len(self.args) == len(set(numbers)) and len(numbers) > 1

    @cached_property
    def values(self) -> tuple[Value, ...] | None:
        """All values, in order, if there are at most MAX_VALUES; otherwise None."""
        if self.kind == "choice":
            return tuple(sorted(self.args)) if self.ordered else self.args
        if self.kind == "randint":
            low, high = self.args
            return tuple(range(low, high)) if high - low <= MAX_VALUES else None
        if self.quantum is None or self.gaussian:
            return None
        low, high = self.args[:2]
        first, last = round(low / self.quantum), round(high / self.quantum)
        if last - first > MAX_VALUES:
            return None
        values = [min(max(i * self.quantum, low), high) for i in range(first, last + 1)]
        return tuple(_whole(v) for v in dict.fromkeys(values))

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """Ends of the latent; for a Gaussian prior its mean less and plus 4 standard deviations."""
        if self.kind == "choice":
            return -0.5, len(self.args) - 0.5
        if self.kind == "randint":
            return self.args[0] - 0.5, self.args[1] - 0.5
        low, high = self.args[:2]
        if self.gaussian:
            return low - 4 * high, low + 4 * high
        return (math.log(low), math.log(high)) if self.log else (float(low), float(high))

    @cached_property
    def cells(self) -> np.ndarray | None:
        """Edges of the values' cells in the latent, (len(values) + 1,); None without a list of values."""
        if self.values is None:
            return None
        if self.kind in ("choice", "randint"):
            return self.bounds[0] + np.arange(len(self.values) + 1.0)
        low, high = self.bounds
        points = np.array(self.values, dtype=float)
        # A cell holds the latents that round to its value: its edges are half a quantum away, clipped at the ends.
        grid = np.round(points / self.quantum) * self.quantum
        middles = (grid[1:] + grid[:-1]) / 2
        inner = np.log(np.maximum(middles, LEAST_POSITIVE)) if self.log else middles
        return np.concatenate([[low], np.clip(inner, low, high), [high]])

    def branch(self, name: Any) -> int | None:
        """The index of a nested choice's option; None if there is no such option."""
        return self.places.get(_hashable(name)) if isinstance(name, str) else None

    def encode(self, value: Value) -> float:
        """The latent of a value: the cell's index for a finite parameter, otherwise the number or its logarithm.

        Raises ValueError for a value that the parameter cannot have.
        """
        if self.values is not None:
            try:
                return float(self.places[_hashable(value)])
            except (KeyError, TypeError, RecursionError):  # also what no JSON has
                raise ValueError(f"{self.key}: {short(value)} is none of its values: {listed(self.values)}") from None
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) <= sys.float_info.max:
            raise ValueError(f"{self.key}: a number is needed, not {short(value)}")
        if self.log:
            return math.log(max(value, LEAST_POSITIVE))
        return float(value)

    def decode(self, latent: float) -> Value:
        """The value of a latent as `encode` returns it; a continuous one is rounded and clipped by its type."""
        if self.values is not None:
            return self.values[int(latent)]
        if self.kind == "randint":
            return int(min(max(round(latent), self.args[0]), self.args[1] - 1))
        value = math.exp(min(latent, LARGEST_LOG)) if self.log else latent
        if self.quantum is not None:
            value = round(value / self.quantum) * self.quantum
        if not self.gaussian:
            value = min(max(value, self.args[0]), self.args[1])
        return _whole(value) if self.quantum is not None else float(value)

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw n latents (n,) from the prior, in the form of `encode`."""
        if self.kind in ("choice", "randint"):
            low, high = (0, len(self.args)) if self.kind == "choice" else self.args
            whole = rng.integers(low, high, n)
            return (whole - low if self.values is not None else whole).astype(float)
        if self.gaussian:
            return rng.normal(self.args[0], self.args[1], n)
        low, high = self.bounds
        drawn = rng.uniform(low, high, n)
        cells = self.cells
        return drawn if cells is None else np.searchsorted(cells[1:-1], drawn, side="right").astype(float)

    @cached_property
    def middles(self) -> np.ndarray:
        """Middles of the cells. (len(values),)"""
        assert self.cells is not None
        middles: np.ndarray = (self.cells[1:] + self.cells[:-1]) / 2
        return middles

    @cached_property
    def places(self) -> dict[Any, int]:
        """Value, as a hashable key -> its index."""
        assert self.values is not None
        return {_hashable(value): i for i, value in enumerate(self.values)}

    def holds(self, latent: float) -> bool:
        """Whether rounding and clipping leave a latent as it is: it is one of a legal value."""
        if self.log and self.values is None and latent < -600:  # what stands for the logarithm of 0 and less
            return self.quantum is not None and self.decode(latent) == 0
        same = self.encode(self.decode(latent))
        return math.isclose(same, latent, rel_tol=1e-9, abs_tol=1e-12 if self.log else 0.0)


def distinct(values: Sequence[Value]) -> list[Value]:
    """Values without repetitions; 1 and 1.0 are the same value, true is another."""
    found: dict[Any, Value] = {}
    for value in values:
        found.setdefault(_hashable(value), value)
    return list(found.values())


def listed(values: Sequence[Value]) -> str:
    """Values for a message; if there are many, the first and the last."""
    some = values if len(values) <= SHOWN else (*values[: SHOWN - 2], "...", values[-1])
    return ", ".join(map(shown, some))


def _whole(value: float) -> float | int:
    """A whole float as an int: what a trial receives."""
    return int(value) if float(value).is_integer() else float(value)


def _hashable(value: Value) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_hashable(item) for item in value)
    if isinstance(value, dict):
        return tuple(sorted((key, _hashable(item)) for key, item in value.items()))
    # True, 1 and 1.0 are one key to a dict, but not one value to a trial.
    return (isinstance(value, bool), value)
