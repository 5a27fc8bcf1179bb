"""JSON values: whether they are of the types that a dataclass says, and an order of them."""

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any

from fastcifar.names import short

FLOAT_BITS = 1023  # of the largest whole number within the range of floats


def is_of(value: Any, hint: Any) -> bool:
    """Whether a JSON value is of an annotation's type; lists stand for tuples."""
    kind, inner = typing.get_origin(hint) or hint, typing.get_args(hint)
    if kind is Any:
        return True
    if kind in (typing.Union, types.UnionType):
        return any(is_of(value, one) for one in inner)
    if typing.is_typeddict(kind):
        return isinstance(value, dict)
    if kind is tuple:
        return isinstance(value, list | tuple) and (... in inner or _are(value, inner))
    if kind is Path:
        return isinstance(value, str | Path)
    if kind in (int, float):
        number = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
        return number and not (isinstance(value, int) and value.bit_length() > FLOAT_BITS)
    return isinstance(value, kind)


def check_types(found: Any) -> None:
    """Raise ValueError if a field of a dataclass is not of its declared type."""
    hints = typing.get_type_hints(type(found))
    for field in dataclasses.fields(found):
        value = getattr(found, field.name)
        if not is_of(value, hints[field.name]):
            raise ValueError(f"{field.name} cannot be {short(value)}")


def sort_key(value: Any) -> tuple[int, Any]:
    """A key by which any values can be sorted: numbers, then text, then anything else, then nothing."""
    if value is None:
        return 3, 0
    if isinstance(value, (int, float)):
        return 0, value
    return (1, value) if isinstance(value, str) else (2, repr(value))


def _are(values: Any, hints: tuple[Any, ...]) -> bool:
    return len(values) == len(hints) and all(is_of(one, hint) for one, hint in zip(values, hints, strict=True))
