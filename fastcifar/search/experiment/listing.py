"""The experiments under a folder, at a glance; nothing is written, and no driver waits."""

import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fastcifar.search.experiment.store import (
    FAILED,
    FILE,
    FINISHED,
    RUNNING,
    STOPPED,
    Store,
    StoreError,
    TrialRow,
    in_use,
)

WAITING = "waiting"  # running in the store, but nobody is at work: for a resume, which runs it again
STATES = (RUNNING, WAITING, FINISHED, STOPPED, FAILED)  # of a trial, as it is shown
ENDED = ("done", "stopped", "interrupted")  # what a driver leaves behind, but for one that was killed
UNREADABLE = "unreadable"


@dataclass(frozen=True, kw_only=True)
class Overview:
    """One experiment.

    status: running, killed (the store says running, but no process holds it), done, stopped, interrupted, unreadable.
    trials: counts by state, of all kinds. best: the best result of a finished trial of the search.
    started: of the first trial, seconds since 1970. message: why it is unreadable.
    """

    id: str
    path: str
    name: str = ""
    status: str
    trials: dict[str, int]
    best: float | None = None
    started: float | None = None
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def folders(out: Path) -> list[Path]:
    """The folders under `out` that hold an experiment, by id."""
    return [path for path in sorted(out.iterdir()) if (path / FILE).is_file()] if out.is_dir() else []


def experiments(out: Path) -> list[Overview]:
    """An overview of each experiment under `out`; what cannot be read has the status `unreadable`."""
    return [_overview_or_why(folder) for folder in folders(out)]


def overview(folder: Path) -> Overview:
    """An overview of the experiment in `folder`. Raises StoreError."""
    store = Store.read(folder)
    try:
        meta = store.meta()
        spec = meta["spec"]
        counts = dict(store.connection.execute("SELECT state, COUNT(*) FROM trials GROUP BY state"))
        least, most = store.connection.execute(
            "SELECT MIN(value), MAX(value) FROM trials WHERE kind = 'search' AND state = 'finished'"
        ).fetchone()
        if not in_use(folder):
            counts[WAITING] = counts.pop(RUNNING, 0)
        (started,) = store.connection.execute("SELECT MIN(started) FROM trials").fetchone()
        return Overview(
            id=folder.resolve().name,
            path=str(folder),
            name=spec["name"],
            status=status(folder, meta),
            trials={state: counts.get(state, 0) for state in STATES},
            best=most if spec["maximize"] else least,
            started=started,
        )
    except (sqlite3.Error, KeyError, TypeError, ValueError) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{folder / FILE}: {_why(error)}") from error
    finally:
        store.close()


def as_seen(folder: Path, rows: Iterable[TrialRow]) -> list[TrialRow]:
    """The store's trials, where those that run are `waiting` if no process is at work on the experiment."""
    if in_use(folder):
        return list(rows)
    return [replace(row, state=WAITING) if row.state == RUNNING else row for row in rows]


def status(folder: Path, meta: dict[str, Any]) -> str:
    """What the experiment with these values in its store is doing."""
    said = meta.get("status")
    if said in ENDED:
        return str(said)
    return RUNNING if in_use(folder) else "killed"


def best_first(rows: list[Any], maximize: bool) -> list[Any]:
    """The finished trials of the search, the best result first."""
    having = [row for row in rows if row.kind == "search" and row.state == FINISHED and row.value is not None]
    return sorted(having, key=lambda row: -row.value if maximize else row.value)


def _overview_or_why(folder: Path) -> Overview:
    try:
        return overview(folder)
    except StoreError as error:
        counts = dict.fromkeys(STATES, 0)
        return Overview(id=folder.name, path=str(folder), status=UNREADABLE, trials=counts, message=str(error))


def _why(error: Exception) -> str:
    return f"its meta has no {error}" if isinstance(error, KeyError) else str(error)
