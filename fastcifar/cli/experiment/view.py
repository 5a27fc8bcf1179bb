"""What `list`, `show`, `trials` and `top` print, from the rows and the summary in the store."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastcifar.cli.table import params_text, table
from fastcifar.experiment.exchange.csv_cells import flat
from fastcifar.experiment.exchange.export import json_values
from fastcifar.experiment.judgement import WORDS, amount, estimate_of, percents
from fastcifar.experiment.store.kept_summary import in_order, read_summary
from fastcifar.experiment.store.listing import Overview, best_first, last_summary, overview
from fastcifar.experiment.store.reader import Reader
from fastcifar.experiment.store.store import FINISHED, TrialRow
from fastcifar.experiment.store.trust import untrusted
from fastcifar.names import nearest
from fastcifar.typed import sort_key

COLUMNS = ("number", "kind", "state", "value", "seconds")  # of a trial, before its parameters


def read(folder: Path) -> tuple[dict[str, Any], list[TrialRow]]:
    """What the store has, its spec as this version knows it, and its trials as they are shown. Raises StoreError."""
    reader = Reader(folder)
    return reader.meta(), reader.trials()


def document(folder: Path) -> dict[str, Any]:
    """One experiment as JSON values.

    best: what was confirmed and is in best.json, or else the best trial so far. summary: of the last session that came
    to one; None before. untrusted: the archive of an experiment that was loaded, until its code is trusted.
    """
    meta, rows = read(folder)
    shown = overview(folder).to_dict()
    best = best_lines(folder, meta, rows)
    shown["seconds"] = meta.get("seconds")
    shown["best"] = best[0] if best else None
    shown["untrusted"] = untrusted(meta)
    return shown | {"spec": meta["spec"], "summary": read_summary(meta, folder)}


def best_lines(folder: Path, meta: dict[str, Any], rows: Sequence[TrialRow]) -> list[dict[str, Any]]:
    """What was confirmed, as JSON values: first what best.json has; then the search's own trials, the best first."""
    maximize, summary = meta["spec"]["maximize"], last_summary(folder, meta)
    points = [] if summary is None else in_order(summary, maximize)
    known = {row.number: row for row in rows}
    lines = [_point_dict(kind, one, [known[n] for n in one["trials"] if n in known]) for kind, one in points]
    return lines + [trial_dict(row) | _single(row) for row in best_first(list(rows), maximize)]


def _point_dict(kind: str, point: dict[str, Any], rows: Sequence[TrialRow]) -> dict[str, Any]:
    """A confirmed point beside trials: the mean of its own."""
    result = point["result"]
    seconds = [row.seconds for row in rows if row.seconds is not None]
    return {
        "number": None,
        "kind": kind,
        "state": FINISHED,
        "value": result["mean"],
        "seconds": sum(seconds) / len(seconds) if seconds else None,
        "params": point["params"],
        "confirmed": True,
        "n": result["n"],
        "half_interval": result["half_interval"],
        "trials": point["trials"],
    }


def _single(row: TrialRow) -> dict[str, Any]:
    return {"confirmed": False, "n": 1, "half_interval": None, "trials": [row.number]}


def trial_dict(row: TrialRow) -> dict[str, Any]:
    """One trial as JSON values."""
    own = {name: getattr(row, name) for name in (*COLUMNS, "params", "seed", "message", "started", "ended")}
    return own | {"metrics": json_values({name: value for name, value in row.metrics.items() if name != "traceback"})}


def list_text(found: Sequence[Overview]) -> str:
    names = ("id", "name", "status", *found[0].trials, "best", "verdict", "started")
    rows = [
        (one.id, one.name, one.status, *one.trials.values(), _best(one), _verdict(one), clock(one.started))
        for one in found
    ]
    return table(names, rows)


def _best(one: Overview) -> str | None:
    """The confirmed result, or that of the best trial, marked as such."""
    if one.best is None:
        return None
    text = amount(estimate_of({"n": 1, "mean": one.best, "half_interval": one.half_interval}), one.percent)
    return text if one.confirmed else f"{text} (one trial)"


def _verdict(one: Overview) -> str | None:
    return None if one.outcome is None else WORDS.get(one.outcome, one.outcome)


def top_text(spec: dict[str, Any], lines: Sequence[dict[str, Any]]) -> str:
    """A line per confirmed point and per trial of `best_lines`."""
    rows = [
        (
            " ".join(map(str, one["trials"])),
            one["kind"],
            amount(estimate_of({**one, "mean": one["value"]}), percents(spec))
            + ("" if one["confirmed"] else " (one trial)"),
            None if one["seconds"] is None else round(one["seconds"], 3),
            params_text(flat(one["params"])) or "its defaults",
        )
        for one in lines
    ]
    return table(("trial", "kind", "result", "seconds", "params"), rows) if rows else "no trials"


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
    order = sorted(range(len(rows)), key=lambda index: sort_key(values[index]))
    return [rows[index] for index in order]


def clock(seconds: float | None) -> str | None:
    """Local time of seconds since 1970."""
    return None if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _last(row: TrialRow) -> str:
    return params_text(flat(row.params)) + (f"  ({row.message})" if row.message else "")
