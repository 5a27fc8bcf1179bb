"""Checks of one value each: `check(name, value)` returns the value as it is kept, or says what rule it breaks.

Each check knows its rule as text: what a value is, such as "a whole number at least 1".
"""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fastcifar.names import nearest, short, shown

INF = math.inf
LARGEST = sys.float_info.max  # a whole number may be longer than any float


class RecipeError(ValueError):
    """A recipe that cannot be trained: names the field, the rule and the value."""


@dataclass(frozen=True)
class Check:
    """A function that checks a value, and the rule that it knows."""

    rule: str
    function: Callable[[str, Any], Any]

    def __call__(self, name: str, value: Any) -> Any:
        return self.function(name, value)


def number(low: float, high: float = INF, high_name: str = "", *, open_low: bool = False, whole: bool = False) -> Check:
    """A number within [low, high], or (low, high] with `open_low`; kept as int where `whole`, else as float."""
    rule = f"a {'whole ' if whole else ''}number {'more than' if open_low else 'at least'} {low}"
    if high != INF:
        rule += f" and at most {high_name} ({high})" if high_name else f" and at most {high}"

    def check(name: str, value: Any) -> int | float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST
        fits = fits and (low < value if open_low else low <= value) and value <= high
        if not fits or (whole and not float(value).is_integer()):
            raise RecipeError(f"{name}: {rule} is needed, not {short(value)}")
        return int(value) if whole else float(value)

    return Check(rule, check)


def optional(inner: Check) -> Check:
    """None, or what `inner` allows."""
    return Check(f"null, or {inner.rule}", lambda name, value: None if value is None else inner(name, value))


def choice(*values: int) -> Check:
    """One of a few numbers or truth values, of that very type."""

    def check(name: str, value: Any) -> int:
        for known in values:
            if value == known and type(value) is type(known):
                return known
        raise RecipeError(f"{name}: {short(value)} is none of {', '.join(map(repr, values))}")

    return Check(_either([str(value).lower() for value in values]), check)


def one_of(names: tuple[str, ...]) -> Check:
    """One of `names`."""

    def check(name: str, value: Any) -> str:
        if value not in names:
            raise RecipeError(f"{name}: {short(value)} is not known{nearest(value, names)}")
        return str(value)

    return Check(_either(names), check)


def sequence(inner: Check) -> Check:
    """A list whose items `inner` allows; kept as a tuple."""

    def check(name: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)):
            raise RecipeError(f"{name}: a list is needed, not {short(value)}")
        return tuple(inner(f"{name}[{i}]", item) for i, item in enumerate(value))

    return Check(f"a list; each {inner.rule}", check)


def mapping(inner: Check, keys: tuple[str, ...] | None = None) -> Check:
    """An object whose keys are among `keys` and whose values `inner` allows; kept as one that cannot be changed."""

    def check(name: str, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise RecipeError(f'{name}: an object such as {{"layer1": ...}} is needed, not {short(value)}')
        named = {str(key): item for key, item in value.items()}
        for key in named:
            if keys is not None and key not in keys:
                raise RecipeError(f"{name}: {short(key)} is not known{nearest(key, keys)}")
        return MappingProxyType({key: inner(f"{name}.{shown(key)}", item) for key, item in named.items()})

    return Check(f"an object; each value {inner.rule}", check)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise RecipeError(f"{name}: text is needed, not {short(value)}")
    return value


text = Check("text", _text)


def _either(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
