"""What others read of an experiment: all of it, or what has changed since they last looked; nothing is written.

    reader = Reader(Path("runs/20261201-120000-f-ab12"))
    known = reader.changes()
    later = reader.changes(known.point)

A point of one process is good in any other, and after the driver has ended, was killed or was resumed.
"""

import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastcifar.experiment.spec import Spec, read_meta, read_spec
from fastcifar.experiment.store.listing import seen, status
from fastcifar.experiment.store.store import FILE, Store, TrialRow, explained
from fastcifar.lock import in_use
from fastcifar.names import short

POINT = re.compile(r"(\d{1,19})-([01])", re.ASCII)  # number of the last change; whether a process was at work


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What has changed between a point and `point`, which is for the next look.

    everything: this is the whole experiment, and what was known before is to be forgotten.
    status: as in `Overview`. meta: all values of the store where one has changed, the spec as this version knows it;
    None where none has. trials: those that have changed, as they are shown, in the order of their numbers.
    reports: the intermediate results of these, whole; those that have none are not in it. No trial is ever removed.
    """

    point: str
    everything: bool
    status: str
    meta: dict[str, Any] | None
    trials: list[TrialRow]
    reports: dict[int, list[float]]


class Reader:
    """Reads the experiment in a folder; every call opens its file anew, so threads may share one.

    Methods raise StoreError where the file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def meta(self) -> dict[str, Any]:
        """All values of the store, the spec as this version knows it. Raises StoreError for one of another version."""
        with self._opened() as store:
            return read_meta(store)

    def spec(self) -> Spec:
        """What the experiment searches. Raises StoreError for one of another version."""
        with self._opened() as store:
            return read_spec(store)

    def trials(self) -> list[TrialRow]:
        """All trials as they are shown, in the order of their numbers."""
        with self._opened() as store:
            return seen(store.trials(), in_use(self.folder))

    def trial(self, number: int) -> tuple[TrialRow, list[float]]:
        """A trial as it is shown, and its intermediate results. Raises StoreError also where there is none."""
        with self._opened() as store:
            row, reports = store.trial(number)
        return seen([row], in_use(self.folder))[0], reports

    def reports(self) -> dict[int, list[float]]:
        """The intermediate results of every trial that has any; NaN where one was not a number."""
        with self._opened() as store:
            return store.reports()

    def changes(self, since: str | None = None) -> Changes:
        """What has changed since a point; everything where it is None, or a point of another store in this place.

        Of a store of an older version, everything is given wherever its file has changed.
        Raises ValueError for text that is no point.
        """
        before, was_at_work = _parsed(since)
        at_work, file = in_use(self.folder), _fingerprint(self.folder / FILE)  # before what is read: no change is lost
        with self._opened() as store:
            counted = store.version > 1
            first, last = store.first_and_last_change() if counted else (file, file)
            everything = before is None or not first <= before <= last
            after = None if everything else before
            if after == last:
                meta, trials, reports = None, [], {}
            else:
                meta = read_meta(store) if after is None or store.meta_changed(after) else None
                trials, reports = store.trials(after), store.reports(after)
            if not everything and at_work != was_at_work:  # those that run begin to wait, or wait no longer
                known = {row.number for row in trials}
                trials += [row for row in store.running() if row.number not in known]
                reports |= {row.number: store.trial(row.number)[1] for row in trials if row.number not in known}
            said = status({"status": store.value("status")}, at_work)
        return Changes(
            point=f"{last}-{at_work:d}",
            everything=everything,
            status=said,
            meta=meta,
            trials=sorted(seen(trials, at_work), key=lambda row: row.number),
            reports=reports,
        )

    @contextmanager
    def _opened(self) -> Iterator[Store]:
        """The store as it is at one moment."""
        store = Store.read(self.folder)
        try:
            with explained(self.folder):
                store.connection.execute("BEGIN")
            yield store
        finally:
            store.close()


def _parsed(point: str | None) -> tuple[int | None, bool]:
    if point is None:
        return None, False
    found = POINT.fullmatch(point)
    if found is None:
        raise ValueError(f"{short(point)} is no point of an experiment")
    return int(found[1]), found[2] == "1"


def _fingerprint(path: Path) -> int:
    """A number that changes with the file of a store and its log, for a store that does not count its changes."""
    found = []
    for file in (path, path.with_name(f"{path.name}-wal")):
        with suppress(OSError):
            status = file.stat()
            if status.st_size:  # reading makes an empty log
                found.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return zlib.crc32(repr(found).encode())
