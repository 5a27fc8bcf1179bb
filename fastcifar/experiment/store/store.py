"""What an experiment keeps: one SQLite file, one writer, any number of readers.

What is written is in the file before the call returns, and survives the end of the process, however it ends.
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastcifar.errors import Failure
from fastcifar.experiment.store.frozen import connect_frozen
from fastcifar.experiment.store.schema import CHANGED, TABLES, VERSION, create, upgrade, version_of
from fastcifar.experiment.store.stored import trial_values
from fastcifar.lock import Watched, take

FILE = "experiment.db"
RUNNING, FINISHED, STOPPED, FAILED = "running", "finished", "stopped", "failed"

NAMES = ("number", "kind", "params", "seed", "state", "value", "metrics", "message", "started", "ended")
SINCE = "SELECT trial FROM changes WHERE number > ?"  # the trials that have changed after a change


class StoreError(Failure, ValueError):
    """An experiment's file that cannot be made, read or written."""


@dataclass(kw_only=True)
class TrialRow:
    """A trial as the store has it. value: NaN-free, None where there is none. started, ended: seconds since 1970."""

    number: int
    kind: str
    params: dict[str, Any]
    seed: int
    state: str = RUNNING
    value: float | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    message: str = ""
    started: float
    ended: float | None = None

    @property
    def seconds(self) -> float | None:
        """From start to end; None while it runs. Not negative, also where an older version saw the clock set back."""
        return None if self.ended is None else max(0.0, self.ended - self.started)


class Store:
    """One experiment's file in its folder. `create` and `open` are for the one writer, `read` for anyone.

    version: of the schema; an older one than `schema.VERSION` only where the store is read.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection, version: int) -> None:
        self.folder, self.connection, self.version = folder, connection, version
        self._file = Watched(folder / FILE)  # the connection has it open

    @classmethod
    def create(cls, folder: Path, meta: Mapping[str, Any]) -> "Store":
        """Make the file in an existing folder that has none. It is there as a whole or not at all."""
        unfinished = folder / f"{FILE}.new"
        with explained(folder):
            for suffix in ("", "-journal", "-wal", "-shm"):  # of a process that did not get to the end
                unfinished.with_name(unfinished.name + suffix).unlink(missing_ok=True)
            connection = _connect(unfinished, "rwc")
            connection.execute("BEGIN")
            create(connection)
            connection.executemany("INSERT INTO meta VALUES (?, ?)", _values(meta))
            connection.execute("COMMIT")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.close()
            unfinished.rename(folder / FILE)
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """Open the file to write; one of an older version becomes one of this version.

        Raises StoreError where there is none, or one of a newer version.
        """
        store = cls._opened(folder, "rw")
        try:
            with explained(folder):
                upgrade(store.connection)
        except StoreError:
            store.close()
            raise
        store.version = VERSION
        return store

    @classmethod
    def read(cls, folder: Path) -> "Store":
        """Open the file to read; this never blocks the writer."""
        return cls._opened(folder, "ro")

    @classmethod
    def _opened(cls, folder: Path, mode: str) -> "Store":
        if not (folder / FILE).is_file():
            raise StoreError(f"{folder} is no experiment: there is no {FILE}")
        with explained(folder):
            connection = _connect(folder / FILE, mode)
            try:
                version = version_of(connection)
            except sqlite3.OperationalError:
                if mode != "ro" or os.access(folder, os.W_OK):
                    raise
                connection = connect_frozen(folder / FILE)
                version = version_of(connection)
        if version in TABLES:
            return cls(folder, connection, version)
        connection.close()
        if version == 0:
            raise StoreError(f"{folder / FILE} is empty; delete the folder")
        raise StoreError(f"{folder / FILE} has version {version} of the schema; this fastcifar knows {VERSION}")

    def close(self) -> None:
        self.connection.close()

    def check(self) -> None:
        """Raise StoreError where the file that is written to is no longer the one in the folder."""
        self._file.check(StoreError)

    def set(self, values: Mapping[str, Any]) -> None:
        """Keep JSON values under their names, instead of what was there."""
        with self._writing(), self.connection:
            self.connection.execute("BEGIN")
            self._set(values)

    def meta(self) -> dict[str, Any]:
        """All values that `set` was given."""
        with explained(self.folder):
            found = self.connection.execute("SELECT key, value FROM meta").fetchall()
        return {key: self._loaded(value, f"the value of {key!r}") for key, value in found}

    def value(self, key: str) -> Any:
        """One of these values; None where there is none."""
        with explained(self.folder):
            found = self.connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if found is None else self._loaded(found[0], f"the value of {key!r}")

    def start(self, row: TrialRow) -> None:
        """Add a running trial."""
        self._write(
            "INSERT INTO trials (number, kind, params, seed, state, started) VALUES (?, ?, ?, ?, ?, ?)",
            (row.number, row.kind, json.dumps(row.params), row.seed, RUNNING, row.started),
            row.number,
        )

    def restart(self, number: int, started: float) -> None:
        """Begin a running trial again: its reports are removed."""
        with self._writing(), self.connection:
            self.connection.execute("BEGIN")
            self.connection.execute("DELETE FROM reports WHERE trial = ?", (number,))
            self.connection.execute("UPDATE trials SET started = ? WHERE number = ?", (started, number))
            self.connection.execute(CHANGED, (number,))

    def report(self, number: int, step: int, value: float) -> None:
        """Add a trial's intermediate result number `step`, from 0."""
        values = (number, step, value, time.time())
        self._write("INSERT INTO reports VALUES (?, ?, ?, ?)", values, number)  # NaN becomes NULL

    def end(self, row: TrialRow) -> None:
        """Write how a trial has ended: state, value, metrics, message, ended."""
        self._write(
            "UPDATE trials SET state = ?, value = ?, metrics = ?, message = ?, ended = ? WHERE number = ?",
            (row.state, row.value, json.dumps(row.metrics, default=str), row.message, row.ended, row.number),
            row.number,
        )

    def add(self, trials: Iterable[tuple[TrialRow, list[float]]], values: Mapping[str, Any]) -> None:
        """Add trials that have ended elsewhere, with their reports, and keep values as `set` does: all or nothing."""
        with self._writing(), self.connection:
            self.connection.execute("BEGIN IMMEDIATE")
            for row, reports in trials:
                own = (row.number, row.kind, json.dumps(row.params), row.seed, row.state, row.value)
                rest = (json.dumps(row.metrics, default=str), row.message, row.started, row.ended)
                self.connection.execute("INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*own, *rest))
                rows = [(row.number, step, value, row.ended or row.started) for step, value in enumerate(reports)]
                self.connection.executemany("INSERT INTO reports VALUES (?, ?, ?, ?)", rows)
                self.connection.execute(CHANGED, (row.number,))
            self._set(values)

    def trials(self, after: int | None = None) -> list[TrialRow]:
        """All trials, in the order of their numbers; what is damaged in one is in its message.

        after: only those that have changed after the change of this number, which a store of an older version has not.
        """
        return self._trials("") if after is None else self._trials(f"WHERE number IN ({SINCE})", (after,))

    def running(self) -> list[TrialRow]:
        """The trials that run, or did when the driver was killed."""
        return self._trials("WHERE state = ?", (RUNNING,))

    def trial(self, number: int) -> tuple[TrialRow, list[float]]:
        """A trial with its intermediate results. Raises StoreError where there is none."""
        found = self._trials("WHERE number = ?", (number,))
        if not found:
            raise StoreError(f"{self.folder.name} has no trial {number}")
        return found[0], self._reports("WHERE trial = ?", (number,)).get(number, [])

    def reports(self, after: int | None = None) -> dict[int, list[float]]:
        """The intermediate results of every trial that has any; NaN where one was not a number. after: see `trials`."""
        return self._reports("") if after is None else self._reports(f"WHERE trial IN ({SINCE})", (after,))

    def first_and_last_change(self) -> tuple[int, int]:
        """The numbers of the first and of the last change that the store still knows."""
        with explained(self.folder):
            first, last = self.connection.execute(
                "SELECT (SELECT COALESCE(MIN(number), 0) FROM changes), (SELECT COALESCE(MAX(number), 0) FROM changes)"
            ).fetchone()
        return first, last

    def meta_changed(self, after: int) -> bool:
        """Whether a value of `meta` has changed after the change of this number."""
        with explained(self.folder):
            found = self.connection.execute("SELECT 1 FROM changes WHERE number > ? AND trial IS NULL", (after,))
            return found.fetchone() is not None

    def _trials(self, where: str, values: tuple[int | str, ...] = ()) -> list[TrialRow]:
        with explained(self.folder):
            found = self.connection.execute(f"SELECT {', '.join(NAMES)} FROM trials {where} ORDER BY number", values)
            rows = [dict(zip(NAMES, one, strict=True)) for one in found]
        return [TrialRow(**trial_values(row)) for row in rows]

    def _reports(self, where: str, values: tuple[int, ...] = ()) -> dict[int, list[float]]:
        curves: dict[int, list[float]] = {}
        statement = f"SELECT trial, value FROM reports {where} ORDER BY trial, step"
        with explained(self.folder):
            for number, value in self.connection.execute(statement, values):
                curves.setdefault(number, []).append(value if isinstance(value, float) else float("nan"))
        return curves

    def _loaded(self, text: str, what: str) -> Any:
        try:
            return json.loads(text)
        except (TypeError, ValueError, RecursionError) as error:
            raise StoreError(f"{self.folder / FILE}: {what} is not JSON: {error}") from None

    def _set(self, values: Mapping[str, Any]) -> None:
        self.connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", _values(values))
        self.connection.execute(CHANGED, (None,))

    def _write(self, statement: str, values: tuple[Any, ...], trial: int) -> None:
        """Change one row of a trial or of its reports."""
        with self._writing(), self.connection:
            self.connection.execute("BEGIN")
            self.connection.execute(statement, values)
            self.connection.execute(CHANGED, (trial,))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Refuse to write to a file that was deleted: what it gets is lost."""
        self.check()
        with explained(self.folder):
            yield


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the experiment's one writer. Raises StoreError where another process is."""
    with explained(folder):
        file = take(folder)
    if file is None:
        raise StoreError(f"{folder}: another process is at work on this experiment")
    with file:
        yield


def _values(meta: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(key, json.dumps(value)) for key, value in meta.items()]


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    # Autocommit: each statement is a transaction of its own, unless BEGIN says otherwise.
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=30)
    connection.text_factory = lambda text: text.decode("utf-8", "backslashreplace")  # of damaged text, too
    if mode != "ro":
        connection.execute("PRAGMA synchronous = NORMAL")  # in WAL mode enough for the end of a process
        connection.execute("PRAGMA wal_autocheckpoint = 2000")  # pages: bringing them into the file waits for the disk
    return connection


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the disk into a StoreError that names the file."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{folder / FILE}: {getattr(error, 'strerror', None) or error}") from error
