"""The rules of NNI's search-space JSON, one entry at a time."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from fastcifar.names import nearest, short, writable
from fastcifar.search.spaces.parameter import TYPES

MAX_DEPTH = 100  # lists and objects in each other: 33 choices


class SpaceError(ValueError):
    """A search space that breaks a rule: names the file, the key and the rule."""


def check_entry(entry: Any, where: str) -> tuple[str, Sequence[Any]]:
    """Check one `{"_type": ..., "_value": [...]}`; return both. Raises SpaceError that begins with `where`."""
    if not isinstance(entry, Mapping) or set(entry) != {"_type", "_value"}:
        raise SpaceError(f'{where}: an object with exactly "_type" and "_value" is needed, not {short(entry)}')
    kind, args = entry["_type"], entry["_value"]
    if kind not in TYPES:
        raise SpaceError(f"{where}: the type {short(kind)} is not known{nearest(kind, TYPES)}")
    if not isinstance(args, (list, tuple)):
        raise SpaceError(f"{where}: _value is a list, not {short(args)}")
    if kind == "choice":
        _check_options(args, where)
    else:
        _check_numbers(kind, args, where)
        if kind == "randint":
            args = [int(number) for number in args]
    return kind, args


def check_plain(value: Any, where: str) -> None:
    """Raise SpaceError for a value that is not JSON (numbers are checked elsewhere) and for very deep nesting."""
    left = [(value, 0)]
    while left:
        item, depth = left.pop()
        if isinstance(item, (Mapping, list, tuple)):
            if depth == MAX_DEPTH:
                raise SpaceError(f"{where}: lists and objects are nested more than {MAX_DEPTH} deep")
            if isinstance(item, Mapping):
                for key in item:
                    if not isinstance(key, str) or not writable(key):
                        raise SpaceError(f"{where}: a name is text, not {short(key)}")
                item = item.values()
            left.extend((inner, depth + 1) for inner in item)
        elif not (item is None or isinstance(item, (int, float)) or (isinstance(item, str) and writable(item))):
            raise SpaceError(f"{where}: the option {short(item)} is no JSON value")


def _finite(value: Any) -> bool:
    """Whether all numbers in a JSON value are within the range of floats; whole numbers may have more digits."""
    if isinstance(value, (int, float)):
        return abs(value) <= sys.float_info.max
    if isinstance(value, Mapping):
        return all(map(_finite, value.values()))
    return not isinstance(value, (list, tuple)) or all(map(_finite, value))


def _check_numbers(kind: str, args: Sequence[Any], where: str) -> None:
    names = ["mu", "sigma"] if kind.endswith("normal") else ["low", "high"]
    if kind.startswith("q"):
        names.append("q")
    if len(args) != len(names):
        raise SpaceError(f"{where}: {kind} takes [{', '.join(names)}], not {len(args)} values")
    for name, number in zip(names, args, strict=True):
        if not isinstance(number, (int, float)) or isinstance(number, bool) or not _finite(number):
            raise SpaceError(f"{where}: {name} is a finite number, not {short(number)}")
        if kind == "randint" and not float(number).is_integer():
            raise SpaceError(f"{where}: {name} of randint is a whole number, not {number}")
    if names[1] == "sigma":
        if args[1] <= 0:
            raise SpaceError(f"{where}: sigma > 0 is needed, not {short(args[1])}")
    elif args[0] >= args[1]:
        raise SpaceError(f"{where}: low < high is needed, not {short(args[0])} and {short(args[1])}")
    elif "log" in kind and args[0] <= 0:
        raise SpaceError(f"{where}: low > 0 is needed for {kind}, not {short(args[0])}")
    if len(args) == 3 and args[2] <= 0:
        raise SpaceError(f"{where}: q > 0 is needed, not {short(args[2])}")


def _check_options(options: Sequence[Any], where: str) -> None:
    if not options:
        raise SpaceError(f"{where}: a choice needs at least one option")
    named = [isinstance(option, Mapping) and "_name" in option for option in options]
    if not any(named):
        for option in options:
            if not _finite(option):
                raise SpaceError(f"{where}: the option {short(option)} is no JSON value: a number is not finite")
        return
    if not all(named):
        raise SpaceError(f"{where}: either all options have a _name or none has")
    seen: set[str] = set()
    for option in options:
        name = option["_name"]
        if not isinstance(name, str):
            raise SpaceError(f"{where}: a _name is text, not {short(name)}")
        if name in seen:
            raise SpaceError(f"{where}: two options have the _name {short(name)}")
        seen.add(name)
