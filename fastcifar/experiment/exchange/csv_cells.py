"""Parameters as columns of text, and back: nothing is lost, whatever the JSON values are.

A parameter's column has its name; inside a nested choice its path, `net/width`, with `net/_name` for the choice itself.
A parameter of the top that is named like one of a trial's own columns is `params/<name>`.
"""

import json
from collections.abc import Mapping
from typing import Any

from fastcifar.names import short, shown
from fastcifar.search.spaces.space import Params, Space

OWN = ("number", "kind", "state", "value", "seconds", "seed", "started", "ended", "message")  # columns of a trial


def flat(params: Mapping[str, Any]) -> Params:
    """The parameters by column; only what has a `_name` is gone into."""
    found: Params = {}
    for name, value in params.items():
        _flatten(found, _top(name), value)
    return found


def nested(cells: Mapping[str, str], space: Space, budget: str | None = None) -> Params:
    """The parameters whose cells are given, as a trial of `space` receives them. Raises ValueError.

    Empty cells are none; those of branches that are not taken must be. budget: a parameter besides those of the space.
    """
    left = {name: text for name, text in cells.items() if text != ""}
    params: Params = {}
    places: dict[tuple[int, int] | None, tuple[Params, str]] = {None: (params, "")}
    for index, parameter in enumerate(space.parameters):
        if parameter.parent not in places:
            continue
        place, prefix = places[parameter.parent]
        name = parameter.key.rpartition("/")[2] if parameter.parent else parameter.key
        column = prefix + name if prefix else _top(name)
        if parameter.branches is None:
            if column not in left:
                raise ValueError(f"{column}: it is missing")
            place[name] = value_of(left.pop(column))
            continue
        branch = value_of(left.pop(f"{column}/_name", '""'))
        if branch not in parameter.branches:
            raise ValueError(f"{column}/_name: {short(branch)} is none of {short(list(parameter.branches))[1:-1]}")
        place[name] = {"_name": branch}
        places[index, parameter.branches.index(branch)] = place[name], f"{column}/"
    if budget is not None and _top(budget) in left:
        params[budget] = value_of(left.pop(_top(budget)))
    if left:
        raise ValueError(f"{shown(next(iter(left)))}: the space has no such parameter")
    return params


def text_of(value: Any) -> str:
    """A value as a cell: JSON, but for text that cannot be mistaken for it."""
    if isinstance(value, str) and value and value_of(value) == value:
        return value
    return json.dumps(value)


def value_of(text: str) -> Any:
    """The value of a cell."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # also for thousands of digits, or of brackets
        return text


def _top(name: str) -> str:
    return f"params/{name}" if name in OWN else name


def _flatten(found: Params, column: str, value: Any) -> None:
    if isinstance(value, Mapping) and "_name" in value:
        for name, inner in value.items():
            _flatten(found, f"{column}/{name}", inner)
    else:
        found[column] = value
