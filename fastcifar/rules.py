"""The rules of an experiment's configuration: known names, and checks of one value each."""

import dataclasses
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from fastcifar.names import nearest, short, shown

Check = Callable[[str, Any], None]
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}  # seconds
LOG_LEVELS = ("fatal", "error", "warning", "info", "debug", "trace")


class ConfigError(ValueError):
    """A configuration that breaks a rule: names the file, the key, the rule and the value."""


class Fields:
    """The base of the configuration's dataclasses. Only existing fields can be assigned."""

    def __setattr__(self, name: str, value: Any) -> None:
        names = field_names(self)
        if name not in names:
            raise ConfigError(f"{type(self).__name__} has no field {short(name)}{nearest(name, names)}")
        object.__setattr__(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values; paths become text."""
        return {name: _plain(getattr(self, name)) for name in field_names(self)}


def field_names(of: Any) -> list[str]:
    """The names of a dataclass's fields."""
    return [field.name for field in dataclasses.fields(of)]


def squeezed(name: object) -> str:
    """A name without case and underscores, for the comparison of keys."""
    return (name if isinstance(name, str) else short(name)).replace("_", "").lower()


def matched(values: Any, names: Iterable[str], where: str) -> dict[str, Any]:
    """`values` with keys replaced by the names that match them, ignoring case and underscores.

    where: the key that holds the values, or "". Raises ConfigError if `values` is not an object, and for an unknown or
    repeated key.
    """
    prefix = f"{where}." if where else ""
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where or 'the configuration'}: an object of keys is needed, not {short(values)}")
    known = {squeezed(name): name for name in names}
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = known.get(squeezed(key))
        if name is None:
            raise ConfigError(f"{prefix}{shown(key)}: the key is not known{nearest(key, known.values())}")
        if name in found:
            raise ConfigError(f"{prefix}{shown(key)}: the key occurs twice (case and underscores do not count)")
        found[name] = value
    return found


def seconds(value: Any, name: str = "duration") -> float:
    """The seconds of `30s`, `10m`, `1h`, `2d` or a number. Raises ConfigError that begins with `name`."""
    result = math.nan
    if isinstance(value, str):
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", value.strip().lower())
        if found:
            result = float(found[1]) * UNITS[found[2]]
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max:
        result = float(value)
    if not 0 < result < math.inf:
        raise ConfigError(
            f"{name}: a duration is more than 0 seconds, a number or text such as 30s, 10m, 1h or 2d, "
            f"not {short(value)}"
        )
    return result


def duration(name: str, value: Any) -> None:
    """A duration that `seconds` can read."""
    seconds(value, name)


def optional(inner: Check) -> Check:
    """None, or a value that `inner` allows."""
    return lambda name, value: None if value is None else inner(name, value)


def whole(low: int, high: float = math.inf) -> Check:
    """An integer of at least `low` and at most `high`."""
    rule = f"of at least {low}" + (f" and at most {high:,}" if high < math.inf else "")

    def check(name: str, value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ConfigError(f"{name}: a whole number {rule} is needed, not {short(value)}")

    return check


def above(low: float, high: float = math.inf) -> Check:
    """A number within (low, high]."""
    rule = f"a number more than {low}" + (f" and at most {high}" if high < math.inf else "")

    def check(name: str, value: Any) -> None:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not fits or not low < value <= high or not value <= sys.float_info.max:
            raise ConfigError(f"{name}: {rule} is needed, not {short(value)}")

    return check


def flag(name: str, value: Any) -> None:
    """True or False."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name}: true or false is needed, not {short(value)}")


def text(name: str, value: Any) -> None:
    """Text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{name}: text is needed, not {short(value)}")


def path(name: str, value: Any) -> None:
    """A path: text or a Path."""
    if not isinstance(value, Path):
        text(name, value)


def folder(name: str, value: Any) -> None:
    """The path of a folder that exists."""
    path(name, value)
    try:
        there = Path(value).expanduser().is_dir()
    except (OSError, ValueError, RuntimeError):  # a name that is too long, or has a null; nobody's home
        there = False
    if not there:
        raise ConfigError(f"{name}: a folder that exists is needed, not {short(str(value))}")


def one_of(*names: str) -> Check:
    """One of `names`."""

    def check(name: str, value: Any) -> None:
        if value not in names:
            raise ConfigError(f"{name}: {short(value)} is not known{nearest(value, names)}")

    return check


def json_object(name: str, value: Any) -> None:
    """An object of JSON values that survives a round trip through a file."""
    try:
        same = isinstance(value, Mapping) and json.loads(json.dumps(_plain(value), allow_nan=False)) == _plain(value)
    except (TypeError, ValueError, RecursionError):
        same = False
    if not same:
        raise ConfigError(f"{name}: an object of JSON values is needed, not {short(value)}")


def _plain(value: Any) -> Any:
    if isinstance(value, Fields):
        return value.to_dict()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
