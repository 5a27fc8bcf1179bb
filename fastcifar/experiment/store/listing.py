"""Lists the experiments under a folder. It writes nothing, and no driver waits for it."""

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fastcifar.experiment.judgement import percents
from fastcifar.experiment.spec import read_meta
from fastcifar.experiment.store.kept_summary import OVER, held, read_summary
from fastcifar.experiment.store.store import (
    FAILED,
    FILE,
    FINISHED,
    RUNNING,
    STOPPED,
    Store,
    StoreError,
    TrialRow,
    explained,
)
from fastcifar.experiment.store.stored import time_of
from fastcifar.lock import in_use

WAITING = "waiting"  # running in the store, but no process is at work: a resume runs it again
STATES = (RUNNING, WAITING, FINISHED, STOPPED, FAILED)  # of a trial, as shown
ENDED = ("done", "stopped", "interrupted")  # the status that a driver leaves, unless it was killed
UNREADABLE = "unreadable"


@dataclass(frozen=True, kw_only=True)
class Overview:
    """One experiment.

    status: running, killed (the store says running, but no process holds it), done, stopped, interrupted, unreadable.
    trials: counts by state, of all kinds. best: the mean result of what was confirmed, with half its 95 % interval; or
    the best result of a single finished trial of the search, where `confirmed` is False. outcome: of the confirmation,
    one of `judgement.WORDS`. percent: whether results are accuracies, in percent.
    started: of the first trial, seconds since 1970. message: why it is unreadable.
    """

    id: str
    path: str
    name: str = ""
    status: str
    trials: dict[str, int]
    best: float | None = None
    half_interval: float | None = None
    confirmed: bool = False
    outcome: str | None = None
    percent: bool = False
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
    with closing(Store.read(folder)) as store:
        return _overview(store)


def _overview(store: Store) -> Overview:
    folder, meta = store.folder, read_meta(store)
    counts, (least, most, started) = _trials(store)
    if not in_use(folder):
        counts[WAITING] = counts.pop(RUNNING, 0)
    said = last_summary(folder, meta)
    point = None if said is None else held(said)
    single = most if meta["spec"]["maximize"] else least
    return Overview(
        id=folder.resolve().name,
        path=str(folder),
        name=meta["spec"]["name"],
        status=status(meta, in_use(folder)),
        trials={state: counts.get(state, 0) for state in STATES},
        best=single if point is None else point["result"]["mean"],
        half_interval=None if point is None else point["result"]["half_interval"],
        confirmed=point is not None,
        outcome=None if said is None else said["outcome"],
        percent=percents(meta["spec"]),
        started=started,
    )


def _trials(store: Store) -> tuple[dict[str, int], tuple[Any, Any, Any]]:
    """How many trials are in each state; the least and the best result of the search's; when the first began."""
    with explained(store.folder):
        counts = dict(store.connection.execute("SELECT state, COUNT(*) FROM trials GROUP BY state"))
        least, most = store.connection.execute(
            "SELECT MIN(value), MAX(value) FROM trials WHERE kind = 'search' AND state = 'finished' "
            "AND typeof(value) = 'real' AND abs(value) < 9e999"  # which is infinity
        ).fetchone()
        (started,) = store.connection.execute("SELECT MIN(started) FROM trials").fetchone()
    return counts, (least, most, time_of(started))


def last_summary(folder: Path, meta: dict[str, Any]) -> dict[str, Any] | None:
    """The summary of the experiment's last session; None while it runs, and where it has none. Raises StoreError.

    meta: what `read_meta` gave.
    """
    return read_summary(meta, folder) if status(meta, in_use(folder)) in OVER else None


def as_seen(folder: Path, rows: Iterable[TrialRow]) -> list[TrialRow]:
    """The store's trials, where those that run are `waiting` if no process is at work on the experiment."""
    return seen(rows, in_use(folder))


def seen(rows: Iterable[TrialRow], at_work: bool) -> list[TrialRow]:
    """The same. at_work: whether a process is at work on the experiment."""
    return [replace(row, state=WAITING) if row.state == RUNNING and not at_work else row for row in rows]


def status(meta: Mapping[str, Any], at_work: bool) -> str:
    """What the experiment with these values in its store is doing. at_work: see `seen`."""
    said = meta.get("status")
    if said in ENDED:
        return str(said)
    return RUNNING if at_work else "killed"


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
