"""The rules of NNI's search-space JSON, one entry at a time."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastcifar.names import nearest
from fastcifar.search.parameter import TYPES


class SpaceError(ValueError):
    """A search space that breaks a rule: names the file, the key and the rule."""


def check_entry(entry: Any, where: str) -> tuple[str, Sequence[Any]]:
    """Check one `{"_type": ..., "_value": [...]}`; return both. Raises SpaceError that begins with `where`."""
    if not isinstance(entry, Mapping) or set(entry) != {"_type", "_value"}:
        raise SpaceError(f'{where}: an object with exactly "_type" and "_value" is needed, not {_short(entry)}')
    kind, args = entry["_type"], entry["_value"]
    if kind not in TYPES:
        raise SpaceError(f"{where}: the type {kind!r} is not known{nearest(kind, TYPES)}")
    if not isinstance(args, (list, tuple)):
        raise SpaceError(f"{where}: _value is a list, not {_short(args)}")
    if kind == "choice":
        _check_options(args, where)
    else:
        _check_numbers(kind, args, where)
        if kind == "randint":
            args = [int(number) for number in args]
    return kind, args


def _check_numbers(kind: str, args: Sequence[Any], where: str) -> None:
    names = ["mu", "sigma"] if kind.endswith("normal") else ["low", "high"]
    if kind.startswith("q"):
        names.append("q")
    if len(args) != len(names):
        raise SpaceError(f"{where}: {kind} takes [{', '.join(names)}], not {len(args)} values")
    for name, number in zip(names, args, strict=True):
        if not isinstance(number, (int, float)) or isinstance(number, bool) or not math.isfinite(number):
            raise SpaceError(f"{where}: {name} is a finite number, not {_short(number)}")
        if kind == "randint" and not float(number).is_integer():
            raise SpaceError(f"{where}: {name} of randint is a whole number, not {number}")
    if names[1] == "sigma":
        if args[1] <= 0:
            raise SpaceError(f"{where}: sigma > 0 is needed, not {args[1]}")
    elif args[0] >= args[1]:
        raise SpaceError(f"{where}: low < high is needed, not {args[0]} and {args[1]}")
    elif "log" in kind and args[0] <= 0:
        raise SpaceError(f"{where}: low > 0 is needed for {kind}, not {args[0]}")
    if len(args) == 3 and args[2] <= 0:
        raise SpaceError(f"{where}: q > 0 is needed, not {args[2]}")


def _check_options(options: Sequence[Any], where: str) -> None:
    if not options:
        raise SpaceError(f"{where}: a choice needs at least one option")
    named = [isinstance(option, Mapping) and "_name" in option for option in options]
    if any(named) and not all(named):
        raise SpaceError(f"{where}: either all options have a _name or none has")
    for option in options:
        try:
            json.dumps(option, allow_nan=False)
        except (TypeError, ValueError):
            raise SpaceError(f"{where}: the option {_short(option)} is no JSON value") from None
    if all(named):
        names = [option["_name"] for option in options]
        for name in names:
            if not isinstance(name, str):
                raise SpaceError(f"{where}: a _name is text, not {_short(name)}")
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated is not None:
            raise SpaceError(f"{where}: two options have the _name {repeated!r}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
