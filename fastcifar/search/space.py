"""A search space in NNI's JSON, checked, as a flat list of parameters."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastcifar.names import nearest
from fastcifar.search.parameter import Parameter, distinct, listed
from fastcifar.search.rules import SpaceError, check_entry

Params = dict[str, Any]  # what a trial receives
MAX_POINTS = 1_000_000  # of a finite space, that are counted one by one
TOTAL_EPOCH = "_total_epoch"
WORDS = (TOTAL_EPOCH,)  # keys of a space's JSON that are no parameters


@dataclass(frozen=True)
class Space:
    """The parameters of a search, in order; those of a nested choice follow it.

    A point of the space is a row of latents, one per parameter (see `Parameter.encode`), NaN where the parameter lies
    on a branch that was not taken. allowed: says of the parameters of a trial whether it may be tried; None is always.
    total_epoch: the epochs of the trainings that numbers of epochs in the space are for; None where it does not say.
    """

    parameters: tuple[Parameter, ...]
    allowed: Callable[[Params], bool] | None = None
    total_epoch: int | None = None

    @classmethod
    def load(cls, path: str | Path) -> "Space":
        """Read a JSON file. Raises SpaceError (a ValueError) that names the file, the key and the rule."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise SpaceError(f"the search space {path} cannot be read: {error.strerror}") from None
        try:
            return cls.from_dict(json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse), str(path))
        except json.JSONDecodeError as error:
            raise SpaceError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from None
        except _Duplicate as error:
            raise SpaceError(f"{path}: the key {error} occurs twice") from None

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any], source: str = "search space") -> "Space":
        """Check a space that is given as a dict; keys of WORDS are no parameters. Raises SpaceError."""
        named = parameters_of(entries) if isinstance(entries, Mapping) else {}
        if not named:
            raise SpaceError(f"{source}: a search space is an object with at least one parameter")
        parameters: list[Parameter] = []
        _collect(parameters, named, "", None, source)
        return cls(tuple(parameters), total_epoch=_total_epoch(entries, source))

    def __len__(self) -> int:
        return len(self.parameters)

    def encode(self, params: Mapping[str, Any]) -> np.ndarray:
        """The row (D,) of a trial's parameters. Raises ValueError where they are not of this space."""
        row = np.full(len(self), np.nan)
        self._encode(row, params, None, "")
        return row

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
        """The number of points; infinite where a parameter is not finite."""
        return self._size(None)

    def points(self) -> np.ndarray:
        """Every point of a finite space, (size, D), the last parameter changing fastest. Raises ValueError."""
        if self.size() > MAX_POINTS:
            raise ValueError(f"the space has {self.size():,.0f} points; at most {MAX_POINTS:,} can be listed")
        return np.array(list(self._points()))

    def _encode(self, row: np.ndarray, params: Mapping[str, Any], parent: tuple[int, int] | None, prefix: str) -> None:
        if not isinstance(params, Mapping):
            raise ValueError(f"{prefix or 'parameters'}: an object is needed, not {params!r}")
        left = set(params) - ({"_name"} if parent else set())
        for index, parameter in enumerate(self.parameters):
            if parameter.parent != parent:
                continue
            name = parameter.key.rpartition("/")[2] if parent else parameter.key
            if name not in params:
                raise ValueError(f"{parameter.key}: it is missing")
            left.discard(name)
            value = params[name]
            if parameter.branches is None:
                row[index] = parameter.encode(value)
                continue
            branch = value.get("_name") if isinstance(value, Mapping) else None
            if branch not in parameter.branches:
                options = listed(parameter.branches)
                raise ValueError(f"{parameter.key}: {value!r} is none of its options: {options}")
            row[index] = option = parameter.branches.index(branch)
            self._encode(row, value, (index, option), f"{parameter.key}/{branch}")
        if left:
            raise ValueError(f"{prefix}{'/' if prefix else ''}{sorted(left)[0]}: the space has no such parameter")

    def _size(self, parent: tuple[int, int] | None) -> float:
        total = 1.0
        for index, parameter in enumerate(self.parameters):
            if parameter.parent == parent:
                if parameter.branches is not None:
                    total *= sum(self._size((index, option)) for option in range(len(parameter.branches)))
                else:
                    total *= float("inf") if parameter.values is None else len(parameter.values)
        return total

    def _points(self, index: int = 0, row: tuple[float, ...] = ()) -> Iterator[tuple[float, ...]]:
        if index == len(self):
            yield row
            return
        parameter = self.parameters[index]
        if parameter.parent is not None and row[parameter.parent[0]] != parameter.parent[1]:
            yield from self._points(index + 1, (*row, float("nan")))
            return
        for value in range(len(parameter.values or ())):
            yield from self._points(index + 1, (*row, float(value)))


def parameters_of(entries: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a space that are parameters."""
    return {key: entry for key, entry in entries.items() if key not in WORDS}


def _total_epoch(entries: Mapping[str, Any], source: str) -> int | None:
    value = entries.get(TOTAL_EPOCH)
    if TOTAL_EPOCH in entries and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise SpaceError(f"{source}: {TOTAL_EPOCH}: a whole number of epochs, at least 1, is needed, not {value!r}")
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
        if not prefix and name.startswith("_") and not isinstance(entry, Mapping):
            raise SpaceError(f"{source}: {name!r} is no word that a space has{nearest(name, WORDS)}")
        kind, args = check_entry(entry, f"{source}: {key}")
        nested = kind == "choice" and isinstance(args[0], Mapping) and "_name" in args[0]
        if prefix and "/" in name:
            raise SpaceError(f"{source}: {key}: inside a nested choice a name has no /")
        if not nested:
            args = distinct(args) if kind == "choice" else args
            parameters.append(Parameter(key=key, kind=kind, args=tuple(args), parent=parent))
            continue
        index, branches = len(parameters), tuple(option["_name"] for option in args)
        parameters.append(Parameter(key=key, kind=kind, args=branches, parent=parent, branches=branches))
        for number, option in enumerate(args):
            inner = {inner_name: value for inner_name, value in option.items() if inner_name != "_name"}
            _collect(parameters, inner, f"{key}/{option['_name']}/", (index, number), source)


class _Duplicate(Exception):
    pass


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise _Duplicate(repr(key))
        result[key] = value
    return result


def _refuse(constant: str) -> Any:
    raise json.JSONDecodeError(f"{constant} is no JSON value", constant, 0)
