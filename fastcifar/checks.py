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


@dataclass(frozen=True)
class Check:
    """A function that checks a value, and the rule that it knows."""

    rule: str
    function: Callable[[str, Any], Any]

    def __call__(self, name: str, value: Any) -> Any:
        return self.function(name, value)


@dataclass(frozen=True)
class Checks:
    """Makes checks that raise one kind of error, which names the value, the rule and what was found."""

    error: type[ValueError]

    def number(
        self, low: float, high: float = INF, high_name: str = "", *, open_low: bool = False, whole: bool = False
    ) -> Check:
        """A number within [low, high], or (low, high] with `open_low`; kept as int where `whole`, else as float."""
        rule = f"a {'whole ' if whole else ''}number {'more than' if open_low else 'at least'} {low}"
        if high != INF:
            rule += f" and at most {high_name} ({high})" if high_name else f" and at most {_grouped(high)}"

        def check(name: str, value: Any) -> int | float:
            fits = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST
            fits = fits and (low < value if open_low else low <= value) and value <= high
            if not fits or (whole and not float(value).is_integer()):
                raise self.error(f"{name}: {rule} is needed, not {short(value)}")
            return int(value) if whole else float(value)

        return Check(rule, check)

    def integer(self, low: int, high: float = INF) -> Check:
        """An integer within [low, high]; 1.0 is none."""
        number = self.number(low, high, whole=True)

        def check(name: str, value: Any) -> int:
            if not isinstance(value, int):
                raise self.error(f"{name}: {number.rule} is needed, not {short(value)}")
            return int(number(name, value))

        return Check(number.rule, check)

    def optional(self, inner: Check) -> Check:
        """None, or what `inner` allows."""
        return Check(f"null, or {inner.rule}", lambda name, value: None if value is None else inner(name, value))

    def choice(self, *values: int) -> Check:
        """One of a few numbers or truth values, of that very type."""

        def check(name: str, value: Any) -> int:
            for known in values:
                if value == known and type(value) is type(known):
                    return known
            raise self.error(f"{name}: {short(value)} is none of {', '.join(map(repr, values))}")

        return Check(_either([str(value).lower() for value in values]), check)

    def flag(self) -> Check:
        """True or False."""

        def check(name: str, value: Any) -> bool:
            if not isinstance(value, bool):
                raise self.error(f"{name}: true or false is needed, not {short(value)}")
            return value

        return Check("true or false", check)

    def one_of(self, names: Sequence[str]) -> Check:
        """One of `names`."""

        def check(name: str, value: Any) -> str:
            if value not in names:
                raise self.error(f"{name}: {short(value)} is not known{nearest(value, names)}")
            return str(value)

        return Check(_either(names), check)

    def text(self, blank: bool = True) -> Check:
        """Text; without `blank` more than white space."""

        def check(name: str, value: Any) -> str:
            if not isinstance(value, str) or (not blank and not value.strip()):
                raise self.error(f"{name}: text is needed, not {short(value)}")
            return value

        return Check("text", check)

    def sequence(self, inner: Check) -> Check:
        """A list whose items `inner` allows; kept as a tuple."""

        def check(name: str, value: Any) -> tuple[Any, ...]:
            if not isinstance(value, (list, tuple)):
                raise self.error(f"{name}: a list is needed, not {short(value)}")
            return tuple(inner(f"{name}[{i}]", item) for i, item in enumerate(value))

        return Check(f"a list; each {inner.rule}", check)

    def mapping(self, inner: Check, keys: tuple[str, ...] | None = None) -> Check:
        """An object whose keys are among `keys` and whose values `inner` allows; kept as one that cannot be changed."""

        def check(name: str, value: Any) -> Mapping[str, Any]:
            if not isinstance(value, Mapping):
                raise self.error(f'{name}: an object such as {{"layer1": ...}} is needed, not {short(value)}')
            named = {str(key): item for key, item in value.items()}
            for key in named:
                if keys is not None and key not in keys:
                    raise self.error(f"{name}: {short(key)} is not known{nearest(key, keys)}")
            return MappingProxyType({key: inner(f"{name}.{shown(key)}", item) for key, item in named.items()})

        return Check(f"an object; each value {inner.rule}", check)


def _either(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]


def _grouped(number: float) -> str:
    """A number with commas where it is long."""
    return f"{number:,}" if number >= 1e6 else f"{number}"
