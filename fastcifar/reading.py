"""Reads small untrusted files of text and JSON; an error is one line."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastcifar.names import short

MAX_BYTES = 64 << 20


class UnreadableError(ValueError):
    """Text in the wrong format; the message names its source."""


def read_text(path: Path, most_bytes: int = MAX_BYTES) -> str:
    """A file as text. Raises UnreadableError if it is too large or not UTF-8; OSError."""
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)  # not `stat`: a device has no size, and never ends
    except ValueError:  # a null character, half of a surrogate pair
        raise UnreadableError(f"no file can be named {short(str(path))}") from None
    if len(content) > most_bytes:
        raise UnreadableError(f"{path}: more than {most_bytes:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from None


def parse_json(text: str, source: str, unique: bool = False) -> Any:
    """The value of JSON text. unique: refuse repeated keys, NaN and Infinity. Raises UnreadableError that names
    `source`."""
    try:
        if unique:
            return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UnreadableError(f"{source}, line {error.lineno}: not JSON: {error.msg}") from None
    except _Duplicate as error:
        raise UnreadableError(f"{source}: the key {error} occurs twice") from None
    except RecursionError:
        raise UnreadableError(f"{source}: lists and objects are nested too deeply") from None
    except ValueError:  # Python reads no whole number of more than 4,300 digits
        raise UnreadableError(f"{source}: a number has thousands of digits") from None


class _Duplicate(Exception):
    pass


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise _Duplicate(short(key))
        result[key] = value
    return result


def _refuse(constant: str) -> Any:
    raise json.JSONDecodeError(f"{constant} is no JSON value", constant, 0)
