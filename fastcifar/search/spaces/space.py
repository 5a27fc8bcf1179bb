"""A search space in NNI's JSON, checked, as a flat list of parameters."""

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fastcifar.names import nearest, short, shown
from fastcifar.reading import UnreadableError, parse_json, read_text
from fastcifar.search.spaces.extremes import fault
from fastcifar.search.spaces.parameter import Parameter, distinct, listed
from fastcifar.search.spaces.rules import SpaceError, check_entry, check_plain

Params = dict[str, Any]  # what a trial receives
MAX_POINTS = 1_000_000  # a larger finite space is not listed
TOTAL_EPOCH = "_total_epoch"
WORDS = (TOTAL_EPOCH,)  # keys of a space's JSON that are not parameters


@dataclass(frozen=True)
class Space:
    """The parameters of a search, in order; those of a nested choice follow it.

    A point of the space is a row of latents, one per parameter (see `Parameter.encode`), and NaN for parameters on a
    branch that was not taken.
    allowed: whether a trial with these parameters may be tried; None allows all.
    total_epoch: the length of training for which the space's numbers of epochs are meant; None if not stated.
    """

    parameters: tuple[Parameter, ...]
    allowed: Callable[[Params], bool] | None = None
    total_epoch: int | None = None

    @classmethod
    def load(cls, path: str | Path) -> "Space":
        """Read a JSON file. Raises SpaceError (a ValueError) that names the file, the key and the rule."""
        path = Path(path)
        try:
            entries = parse_json(read_text(path), str(path), unique=True)
        except OSError as error:
            raise SpaceError(f"the search space {shown(str(path), 1000)} cannot be read: {error.strerror}") from None
        except UnreadableError as error:
            raise SpaceError(str(error)) from None
        return cls.from_dict(entries, str(path))

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any], source: str = "search space") -> "Space":
        """Check a space given as a dict; keys in WORDS are not parameters. Raises SpaceError."""
        named = parameters_of(entries) if isinstance(entries, Mapping) else {}
        if not named:
            raise SpaceError(f"{source}: a search space is an object with at least one parameter")
        for name, entry in entries.items():
            if not isinstance(name, str):
                raise SpaceError(f"{source}: a name is text, not {short(name)}")
            check_plain({name: entry}, f"{source}: {shown(name)}")
        parameters: list[Parameter] = []
        _collect(parameters, named, "", None, source)
        return cls(tuple(parameters), total_epoch=_total_epoch(entries, source))

    def __len__(self) -> int:
        return len(self.parameters)

    def encode(self, params: Mapping[str, Any]) -> np.ndarray:
        """The row (D,) of a trial's parameters. Raises ValueError if they are not in this space."""
        row = np.full(len(self), np.nan)
        self._encode(row, params, None, "")
        return row

    def check(self, params: Params, budget: str | None = None) -> None:
        """Raise ValueError if no trial of this space could have these parameters, with `budget` if there is one."""
        if budget is not None and budget not in params:
            raise ValueError(f"{budget}: it is missing")
        if budget is not None and not _finite(params[budget]):
            raise ValueError(f"{budget}: a number is needed, not {short(params[budget])}")
        row = self.encode({name: value for name, value in params.items() if name != budget})
        for parameter, latent in zip(self.parameters, row.tolist(), strict=True):
            if not math.isnan(latent) and not parameter.holds(latent):
                value, args = math.exp(latent) if parameter.log else latent, ", ".join(map(str, parameter.args))
                raise ValueError(f"{parameter.key}: {value:.6g} is no value of {parameter.kind} [{args}]")

    def decode(self, row: np.ndarray) -> Params:
        """The parameters that a trial receives for a row (D,)."""
        params: Params = {}
        places: dict[tuple[int, int] | None, Params] = {None: params}
        for index, parameter in enumerate(self.parameters):
            place = places.get(parameter.parent)
            if place is None:
                continue
            name = parameter.key.rpartition("/")[2] if parameter.parent else parameter.key
            if parameter.branches is None:
                place[name] = parameter.decode(row[index])
            else:
                option = int(row[index])
                place[name] = places[index, option] = {"_name": parameter.branches[option]}
        return params

    def admits(self, row: np.ndarray) -> bool:
        """Whether a point (D,) may be tried."""
        return self.allowed is None or self.allowed(self.decode(row))

    def sample(self, rng: np.random.Generator, n: int = 1) -> np.ndarray:
        """Draw n rows from the prior, (n, D)."""
        rows = np.empty((n, len(self)))
        for index, parameter in enumerate(self.parameters):
            rows[:, index] = parameter.sample(rng, n)
            if parameter.parent is not None:
                choice, option = parameter.parent
                rows[rows[:, choice] != option, index] = np.nan
        return rows

    def size(self) -> float:
        """The number of points; infinite if a parameter has infinitely many values."""
        return self._size(None)

    def points(self) -> np.ndarray:
        """Every point of a finite space, (size, D), the last parameter changing fastest. Raises ValueError."""
        if self.size() > MAX_POINTS:
            raise ValueError(f"the space has {self.size():,.0f} points; at most {MAX_POINTS:,} can be listed")
        return self._points

    def _encode(self, row: np.ndarray, params: Mapping[str, Any], parent: tuple[int, int] | None, prefix: str) -> None:
        if not isinstance(params, Mapping):
            raise ValueError(f"{prefix or 'parameters'}: an object is needed, not {short(params)}")
        left = set(params) - ({"_name"} if parent else set())
        for index in self.children.get(parent, ()):
            parameter = self.parameters[index]
            name = parameter.key.rpartition("/")[2] if parent else parameter.key
            if name not in params:
                raise ValueError(f"{parameter.key}: it is missing")
            left.discard(name)
            value = params[name]
            if parameter.branches is None:
                row[index] = parameter.encode(value)
                continue
            option = parameter.branch(value.get("_name") if isinstance(value, Mapping) else None)
            if option is None:
                raise ValueError(
                    f"{parameter.key}: {short(value)} is none of its options: {listed(parameter.branches)}"
                )
            row[index] = option
            branch = parameter.branches[option]
            self._encode(row, value, (index, option), f"{parameter.key}/{branch}")
        if left:
            first = shown(min(left, key=str))
            raise ValueError(f"{prefix}{'/' if prefix else ''}{first}: the space has no such parameter")

    def _size(self, parent: tuple[int, int] | None) -> float:
        total = 1.0
        for index in self.children.get(parent, ()):
            parameter = self.parameters[index]
            if parameter.branches is not None:
                total *= sum(self._size((index, option)) for option in range(len(parameter.branches)))
            else:
                total *= float("inf") if parameter.values is None else len(parameter.values)
        return total

    @cached_property
    def children(self) -> dict[tuple[int, int] | None, tuple[int, ...]]:
        """(choice, option), or None for the top -> the parameters on that branch."""
        found: dict[tuple[int, int] | None, list[int]] = {}
        for index, parameter in enumerate(self.parameters):
            found.setdefault(parameter.parent, []).append(index)
        return {parent: tuple(indices) for parent, indices in found.items()}

    @cached_property
    def _points(self) -> np.ndarray:
        rows = np.empty((1, 0))
        for parameter in self.parameters:
            counts = np.full(len(rows), len(parameter.values or ()))
            if parameter.parent is not None:
                choice, option = parameter.parent
                counts[rows[:, choice] != option] = 0  # a branch that is not taken
            repeats = np.maximum(counts, 1)
            starts = np.repeat(np.cumsum(repeats) - repeats, repeats)
            column = np.where(np.repeat(counts, repeats) > 0, np.arange(repeats.sum()) - starts, np.nan)
            rows = np.column_stack([np.repeat(rows, repeats, axis=0), column])
        rows.setflags(write=False)
        return rows


def _finite(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max


def parameters_of(entries: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a space that are parameters."""
    return {key: entry for key, entry in entries.items() if key not in WORDS}


def _total_epoch(entries: Mapping[str, Any], source: str) -> int | None:
    value = entries.get(TOTAL_EPOCH)
    if TOTAL_EPOCH in entries and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise SpaceError(
            f"{source}: {TOTAL_EPOCH}: a whole number of epochs, at least 1, is needed, not {short(value)}"
        )
    return value


def _collect(
    parameters: list[Parameter],
    entries: Mapping[str, Any],
    prefix: str,
    parent: tuple[int, int] | None,
    source: str,
) -> None:
    for name, entry in entries.items():
        key = f"{prefix}{name}"
        where = f"{source}: {shown(key)}"
        if not prefix and name.startswith("_") and not isinstance(entry, Mapping):
            raise SpaceError(f"{source}: {short(name)} is no word that a space has{nearest(name, WORDS)}")
        kind, args = check_entry(entry, where)
        nested = kind == "choice" and isinstance(args[0], Mapping) and "_name" in args[0]
        if prefix and "/" in name:
            raise SpaceError(f"{where}: inside a nested choice a name has no /")
        if not nested:
            args = distinct(args) if kind == "choice" else args
            parameter = Parameter(key=key, kind=kind, args=tuple(args), parent=parent)
            wrong = fault(parameter)
            if wrong is not None:
                raise SpaceError(f"{where}: {wrong}")
            parameters.append(parameter)
            continue
        index, branches = len(parameters), tuple(option["_name"] for option in args)
        parameters.append(Parameter(key=key, kind=kind, args=branches, parent=parent, branches=branches))
        for number, option in enumerate(args):
            inner = {inner_name: value for inner_name, value in option.items() if inner_name != "_name"}
            _collect(parameters, inner, f"{key}/{option['_name']}/", (index, number), source)
