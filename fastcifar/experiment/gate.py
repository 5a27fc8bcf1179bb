"""Checks values from trials, tuners and files, so that they can be stored, shown and exported.

Metrics are JSON values within limits, and text is UTF-8. Other values are left out, and a message says so.
"""

import numbers
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fastcifar.experiment.engines.base import Ended
from fastcifar.names import SHORT, short, writable

MAX_DEPTH = 50  # lists and objects in each other
MAX_VALUES = 100_000  # of all metrics of a trial, names included
MAX_BYTES = 1 << 20  # of the same
MAX_MESSAGE, MAX_TRACEBACK = 2_000, 20_000  # characters
MAX_LEFT_OUT = 20  # metrics; further ones are not checked
NUMBER_BYTES = 24  # of any number as text, at most


class GateError(ValueError):
    """A value that cannot be stored, and why."""


@dataclass(kw_only=True)
class Room:
    """The remaining allowance of values and bytes. Raises GateError when it is used up."""

    values: int = MAX_VALUES
    bytes: int = MAX_BYTES

    def take(self, size: int) -> None:
        self.values -= 1
        self.bytes -= size
        if self.values < 0:
            raise GateError(f"more than {MAX_VALUES:,} values")
        if self.bytes < 0:
            raise GateError(f"more than {MAX_BYTES:,} bytes")


def text(value: object, most: int = MAX_MESSAGE) -> str:
    """The value as text that can be encoded as UTF-8, with at most `most` characters."""
    try:
        found = str(value)
    except Exception as error:  # an exception whose __str__ fails; a number of more than 4,300 digits
        found = f"a {type(value).__name__} that cannot be shown: {type(error).__name__}"
    found = found if len(found) <= most else found[: most - 3] + "..."
    return found if writable(found) else found.encode("utf-8", "backslashreplace").decode()


def end_of(value: str, most: int = MAX_TRACEBACK) -> str:
    """The last characters of a text; a traceback's end tells most."""
    return text(value if len(value) <= most else "..." + value[3 - most :], most)


def plain(value: Any, room: Room | None = None, depth: int = MAX_DEPTH) -> Any:
    """A value as JSON; arrays and other objects become text. Raises GateError if it cannot be stored."""
    room = room or Room()
    if isinstance(value, Mapping | list | tuple):
        if depth == 0:
            raise GateError(f"nested more than {MAX_DEPTH} deep")
        room.take(2)
        if isinstance(value, Mapping):
            return {_text(key, room): plain(item, room, depth - 1) for key, item in value.items()}
        return [plain(item, room, depth - 1) for item in value]
    if isinstance(value, str):
        return _text(value, room)
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):  # of numpy or torch
        value = value.item()
    room.take(NUMBER_BYTES)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return _whole(int(value))
    if isinstance(value, numbers.Real):
        return float(value)
    return _text(text(value), room)


def metrics_of(found: Mapping[Any, Any]) -> tuple[dict[str, Any], str]:
    """The metrics that can be stored, and a message about the others: '' if there are none."""
    room, kept = Room(), dict[str, Any]()
    left: list[str] = []
    for key, value in found.items():
        if len(left) == MAX_LEFT_OUT:
            break
        before = replace(room)
        try:
            name = _text(key, room)
            kept[name] = plain(value, room, MAX_DEPTH - 1)
        except (GateError, RecursionError) as error:
            room = before
            left.append(f"{short(text(key, SHORT))} ({error})")
    more = len(found) - len(kept) - 1
    return kept, f"left out: {left[0]}{f' and {more} more' if more > 0 else ''}" if left else ""


def result_is(value: Any) -> float:
    """A finite number. Raises ValueError."""
    number = float(value)
    if not abs(number) < float("inf"):
        raise GateError(f"the result is {number}")
    return number


def admitted(event: Ended) -> Ended:
    """The end of a trial in a form that can be stored. Raises ValueError, TypeError or OverflowError if its result is
    not a number."""
    trace = event.metrics.get("traceback")
    kept, note = metrics_of({key: value for key, value in event.metrics.items() if key != "traceback"})
    if isinstance(trace, str):
        kept["traceback"] = end_of(trace)
    value = None if event.value is None else result_is(event.value)
    return replace(event, value=value, metrics=kept, message=joined(text(event.message), note))


def joined(*parts: str) -> str:
    """Parts of a message, without the empty ones."""
    return "; ".join(part for part in parts if part)


def _text(value: Any, room: Room) -> str:
    found = value if isinstance(value, str) else text(value)
    if len(found) > room.bytes:
        raise GateError(f"more than {MAX_BYTES:,} bytes")
    found = text(found, len(found))
    room.take(len(found.encode()) + 2)
    return found


def _whole(value: int) -> int:
    if abs(value).bit_length() > 1023:  # of a float
        raise GateError("a whole number beyond all floats")
    return value
