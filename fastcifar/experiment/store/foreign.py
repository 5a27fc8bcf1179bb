"""Checks that a database from elsewhere is an experiment's, and has nothing else in it.

A database can have code in it: views, triggers, generated columns and virtual tables run when it is read or written.
"""

import json
import math
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.schema import TABLES, VERSION
from fastcifar.experiment.store.store import FAILED, FILE, FINISHED, RUNNING, STOPPED, StoreError
from fastcifar.names import short, writable
from fastcifar.search.spaces.space import Space

LEAST_SECONDS, BYTES_PER_SECOND = 2.0, 2e6  # of this thread's own time; a good file takes 0.1 s for a megabyte
STEPS = 10_000  # of SQLite's machine between two looks at the clock
MAX_VALUE_BYTES = 64 << 20  # of one cell
MOST_CHANGES = 2**62  # beyond 2**63, SQLite has no next number
MAX_DEPTH = 200  # of JSON: lists and objects in each other


def check_database(folder: Path) -> None:
    """Raise StoreError where the folder's database is not as this program makes it, or takes too long to read."""
    path = folder / FILE
    until = time.thread_time() + LEAST_SECONDS + path.stat().st_size / BYTES_PER_SECOND
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    try:
        with closing(connection):
            connection.set_progress_handler(lambda: time.thread_time() > until, STEPS)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            _check(connection, until)
    except sqlite3.OperationalError as error:
        late = time.thread_time() > until
        raise StoreError(f"{FILE} takes too long to read" if late else f"{FILE}: {_line(error)}") from None
    except sqlite3.Error as error:
        raise StoreError(f"{FILE}: {_line(error)}") from None


def _line(message: object) -> str:
    return " ".join(str(message).split())[:100]


def _check(connection: sqlite3.Connection, until: float) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in TABLES:
        raise StoreError(f"{FILE} has version {version} of the schema; this fastcifar knows {VERSION}")
    with closing(sqlite3.connect(":memory:")) as ours:
        ours.executescript(TABLES[version])
        known = dict(_schema(ours))
    found = dict(_schema(connection))
    for thing, text in found.items():
        if known.get(thing) != text:
            what = "is not as this program makes it" if thing in known else "is none of an experiment's"
            raise StoreError(f"{FILE}: the {thing[0]} {short(thing[1])} {what}")
    missing = next((name for _, name in known if (_, name) not in found), None)
    if missing is not None:
        raise StoreError(f"{FILE}: the table {missing} is missing")
    (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise StoreError(f"{FILE} is damaged: {_line(said)}")
    for table, columns in COLUMNS.items():
        if ("table", table) not in known:  # of a later version
            continue
        rows = connection.execute(f"SELECT {', '.join(columns)} FROM {table}")
        _check_rows(table, columns, rows, until)


def _schema(connection: sqlite3.Connection) -> Iterator[tuple[tuple[str, str], str]]:
    for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master"):
        yield (str(kind), str(name)), re.sub(r"\s+", " ", str(sql))


def _check_rows(table: str, columns: "dict[str, Fits]", rows: Iterable[tuple[Any, ...]], until: float) -> None:
    for row in rows:
        if time.thread_time() > until:
            raise StoreError(f"{FILE} takes too long to read")
        for (name, fits), value in zip(columns.items(), row, strict=True):
            if not fits(value):
                raise StoreError(f"{FILE}: {name} in the table {table} cannot be {short(value)}")


Fits = Callable[[Any], bool]


def _json(value: Any) -> bool:
    try:
        return isinstance(value, str) and _plain(json.loads(value), MAX_DEPTH)
    except (ValueError, RecursionError):
        return False


def _object(value: Any) -> bool:
    return _json(value) and value.lstrip()[:1] == "{"


def _plain(value: Any, depth: int) -> bool:
    """Whether a value can be shown and written: not nested too deeply, no number beyond floats, text that is UTF-8."""
    if isinstance(value, (dict, list)):
        inner = [*value, *value.values()] if isinstance(value, dict) else value
        return depth > 0 and all(_plain(item, depth - 1) for item in inner)
    if isinstance(value, str):
        return _text(value)
    return not isinstance(value, int) or abs(value) <= sys.float_info.max


def _text(value: Any) -> bool:
    return isinstance(value, str) and writable(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int)


def _finite(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _time(value: Any) -> bool:
    return isinstance(value, float) and 0 <= value < 1e11  # seconds since 1970, which can be shown as a date


def _maybe(inner: Fits) -> Fits:
    return lambda value: value is None or inner(value)


COLUMNS: dict[str, dict[str, Fits]] = {
    "meta": {"key": _text, "value": _json},
    "trials": {
        "number": _whole,
        "kind": _text,
        "params": _object,
        "seed": _whole,
        "state": lambda value: value in (RUNNING, FINISHED, STOPPED, FAILED),
        "value": _maybe(_finite),
        "metrics": _object,
        "message": _text,
        "started": _time,
        "ended": _maybe(_time),
    },
    "reports": {
        "trial": _whole,
        "step": _whole,
        "value": _maybe(lambda value: isinstance(value, float)),  # one may be infinite
        "time": _time,
    },
    "changes": {
        "number": lambda value: _whole(value) and 0 <= value < MOST_CHANGES,
        "trial": _maybe(_whole),
    },
}


def check_spec(document: Any) -> None:
    """Raise StoreError where a field of a spec is not of its type, SpaceError where the space breaks a rule."""
    if not isinstance(document, dict):
        raise StoreError(f"{FILE}: the spec cannot be {short(document)}")
    kinds = get_type_hints(Spec)
    for name, value in document.items():
        if name in kinds and not _is(kinds[name], value):
            raise StoreError(f"{FILE}: {name} of the spec cannot be {short(value)}")
    try:
        spec = Spec.from_dict(document)
    except (KeyError, TypeError) as error:
        raise StoreError(f"{FILE}: the spec is of another version, or none: {error}") from None
    Space.from_dict(spec.space, f"{FILE}: the space")


def _is(kind: Any, value: Any) -> bool:
    """Whether a JSON value is of an annotation's type: plain ones, `X | None`, dict[str, Any], tuple[int, int]."""
    if get_origin(kind) is UnionType:
        return any(_is(one, value) for one in get_args(kind))
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        return isinstance(value, list) and list(map(type, value)) == list(inner)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is (get_origin(kind) or kind)
