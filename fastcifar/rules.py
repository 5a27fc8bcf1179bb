"""The rules of an experiment's configuration: known names, and what each value has to be."""

import dataclasses
import json
import math
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fastcifar.checks import Check, Checks
from fastcifar.names import nearest, short, shown

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}  # seconds
LOG_LEVELS = ("fatal", "error", "warning", "info", "debug", "trace")


class ConfigError(ValueError):
    """A configuration that breaks a rule: names the file, the key, the rule and the value."""


CHECK = Checks(ConfigError)
optional, whole, one_of, flag = CHECK.optional, CHECK.integer, CHECK.one_of, CHECK.flag()
text = CHECK.text(blank=False)


def above(low: float, high: float = math.inf) -> Check:
    """A number within (low, high]."""
    return CHECK.number(low, high, open_low=True)


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


def _path(name: str, value: Any) -> Any:
    return value if isinstance(value, Path) else text(name, value)


def _folder(name: str, value: Any) -> Any:
    _path(name, value)
    try:
        there = Path(value).expanduser().is_dir()
    except (OSError, ValueError, RuntimeError):  # a name that is too long, or has a null; nobody's home
        there = False
    if not there:
        raise ConfigError(f"{name}: a folder that exists is needed, not {short(str(value))}")
    return value


def _json_object(name: str, value: Any) -> Any:
    """An object that comes back the same from a file."""
    try:
        same = isinstance(value, Mapping) and json.loads(json.dumps(_plain(value), allow_nan=False)) == _plain(value)
    except (TypeError, ValueError, RecursionError):
        same = False
    if not same:
        raise ConfigError(f"{name}: an object of JSON values is needed, not {short(value)}")
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Fields):
        return value.to_dict()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


duration = Check("a duration", lambda name, value: seconds(value, name))
path = Check("a path", _path)
folder = Check("a folder that exists", _folder)
json_object = Check("an object of JSON values", _json_object)
