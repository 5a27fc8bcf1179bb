"""What the actions that look print: made of the store's rows and of the summary that it keeps."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastcifar.cli.table import params_text, table
from fastcifar.names import nearest
from fastcifar.search.experiment.export import json_values
from fastcifar.search.experiment.flat import flat
from fastcifar.search.experiment.listing import Overview, as_seen, best_first, overview
from fastcifar.search.experiment.store import Store, StoreError, TrialRow

COLUMNS = ("number", "kind", "state", "value", "seconds")  # of a trial, before its parameters


def read(folder: Path) -> tuple[dict[str, Any], list[TrialRow]]:
    """What the store has, its trials as they are shown. Raises StoreError."""
    store = Store.read(folder)
    try:
        meta = store.meta()
        if "spec" not in meta:
            raise StoreError(f"{folder}: the store does not say what is searched")
        return meta, as_seen(folder, store.trials())
    finally:
        store.close()


def document(folder: Path) -> dict[str, Any]:
    """One experiment as JSON values. best: of the trials so far. summary: None before the end."""
    meta, rows = read(folder)
    shown = overview(folder).to_dict()
    best = best_first(rows, meta["spec"]["maximize"])
    shown["seconds"] = meta.get("seconds")
    shown["best"] = trial_dict(best[0]) if best else None
    return shown | {"spec": meta["spec"], "summary": meta.get("summary")}


def trial_dict(row: TrialRow) -> dict[str, Any]:
    """One trial as JSON values."""
    own = {name: getattr(row, name) for name in (*COLUMNS, "params", "seed", "message", "started", "ended")}
    return own | {"metrics": json_values({name: value for name, value in row.metrics.items() if name != "traceback"})}


def list_text(found: Sequence[Overview]) -> str:
    names = ("id", "name", "status", *found[0].trials, "best", "started")
    rows = [(one.id, one.name, one.status, *one.trials.values(), one.best, clock(one.started)) for one in found]
    return table(names, rows)


def trials_text(rows: Sequence[TrialRow]) -> str:
    """A line per trial."""
    lines = [
        (row.number, row.kind, row.state, row.value, None if row.seconds is None else round(row.seconds, 3), _last(row))
        for row in rows
    ]
    return table((*COLUMNS, "params"), lines) if lines else "no trials"


def sorted_by(rows: list[TrialRow], column: str) -> list[TrialRow]:
    """The trials by a column or a parameter; those without it last. Raises ValueError for an unknown one."""
    if column in COLUMNS:
        values = [getattr(row, column) for row in rows]
    else:
        params = [flat(row.params) for row in rows]
        known = dict.fromkeys(name for one in params for name in one)
        if column not in known:
            raise ValueError(f"--sort: there is no column {column!r}{nearest(column, [*COLUMNS, *known])}")
        values = [one.get(column) for one in params]
    order = sorted(range(len(rows)), key=lambda index: _key(values[index]))
    return [rows[index] for index in order]


def clock(seconds: float | None) -> str | None:
    """Local time of seconds since 1970."""
    return None if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _last(row: TrialRow) -> str:
    return params_text(flat(row.params)) + (f"  ({row.message})" if row.message else "")


def _key(value: Any) -> tuple[int, Any]:
    """Numbers, then text, then anything else, then nothing."""
    if value is None:
        return 3, 0
    if isinstance(value, (int, float)):
        return 0, value
    return (1, value) if isinstance(value, str) else (2, json.dumps(value))
