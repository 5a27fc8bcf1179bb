"""Runs as text: the list of them, and everything about one."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from fastcifar.cli.table import pairs_text, params_text, table, terminal_width
from fastcifar.names import counted
from fastcifar.train.recipe.changes import settings_text
from fastcifar.train.record.folder import Folder, RecordError
from fastcifar.train.record.guarded import as_record
from fastcifar.train.record.listing import RECORDS, RUN, UNREADABLE, Overview, overview
from fastcifar.train.table import COLUMNS, EpochRow, format_closing, format_header, format_row

NARROW = 160  # characters; in fewer, ids are shortened to beginnings that are unique
STAMP = len("20261201-120000")
WHEN = re.compile(r"\b\d{8}-\d{6}-")  # that an id begins with
OWN = ("dataset", "train_images", "total_epoch")  # fields that have a column of their own
SHORT = ("set", "device", "part of", "note")  # columns whose cells are cut where they are too long
DROP = ("device", "wall s", "split", "dataset", "part of", "train s", "images", "note", "seed", "kind", "set", "recipe")
UNKNOWN = "?"


def list_text(found: Sequence[Overview], width: int | None = None) -> str:
    """A line for each run, as wide as the terminal at most. width: instead of the terminal's."""
    width = width or terminal_width()
    ids = [one.id for one in found]
    shown = ids if width is None or width >= NARROW else beginnings(ids)
    rows = [_cells(one, id) for one, id in zip(found, shown, strict=True)]
    if width is not None:
        rows = [row | {"part of": WHEN.sub("", one.part_of or "-")} for row, one in zip(rows, found, strict=True)]
    alike = all(one.kind == RUN for one in found)
    drop = ("kind", *(name for name in DROP if name != "kind")) if alike else DROP
    return table(list(rows[0]), [list(row.values()) for row in rows], width, drop=(*drop, "epochs"), short=SHORT)


def beginnings(ids: Sequence[str]) -> list[str]:
    """Each id's shortest beginning that is no other's; the date and time at least."""
    order = sorted(set(ids))
    lengths = dict.fromkeys(order, STAMP)
    for one, other in pairwise(order):
        shared = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))
        lengths[one], lengths[other] = max(lengths[one], shared + 1), max(STAMP, shared + 1)
    return [id[: lengths[id]] for id in ids]


def _cells(one: Overview, id: str) -> dict[str, object]:
    changes = dict(sorted((one.changes or {}).items(), key=lambda change: change[0] in OWN))
    unknown = one.changes is None and one.kind == RUN and one.status != UNREADABLE
    return {
        "id": id,
        "kind": one.kind,
        "recipe": one.recipe,
        "set": UNKNOWN if unknown else settings_text(changes) or None,
        "dataset": one.dataset,
        "images": one.train_images,
        "split": one.split,
        "seed": one.seed,
        "status": one.status,
        "epochs": None if one.epochs is None else f"{one.epochs}/{one.of}",
        "valid %": None if one.valid_acc is None else f"{100 * one.valid_acc:.2f}",
        "train s": None if one.train_seconds is None else f"{one.train_seconds:.1f}",
        "wall s": None if one.wall_seconds is None else f"{one.wall_seconds:.1f}",
        "device": one.device,
        "part of": one.part_of,
        "note": one.note,
    }


def document(path: Path, kind: str) -> dict[str, Any]:
    """The record with its present status, the epochs that are done, and the note. Raises RecordError."""
    one, record, rows = _read(path, kind)
    epochs = [dict(zip(COLUMNS, row.values(), strict=True)) for row in rows]
    return {**record, "id": one.id, "status": one.status, "epochs": epochs, "note": one.note, "path": one.path}


def show_text(path: Path, kind: str) -> str:
    """Everything about a run or a supernet. Raises RecordError."""
    one, record, rows = _read(path, kind)
    with as_record(path / RECORDS[kind]):
        return _text(one, record, rows)


def _text(one: Overview, record: dict[str, Any], rows: Sequence[EpochRow]) -> str:
    lines = [pairs_text(_head(one, record))]
    if rows:
        lines += ["", format_header(), *map(format_row, rows), format_closing(rows), *_closing(record, rows)]
    made = record.get("provenance", record)
    versions = dict(made.get("versions") or {})
    end = [
        ("settings", params_text(record["settings"])),
        ("seconds", params_text(record["seconds"])),
        ("code", f"{made.get('code')}; {params_text(versions)}"),
        ("system", str(made.get("system"))),
    ]
    return "\n".join([*lines, "", pairs_text(end)])


def _read(path: Path, kind: str) -> tuple[Overview, dict[str, Any], list[EpochRow]]:
    one = overview(path, kind)
    if one.status == UNREADABLE:
        raise RecordError(one.message)
    folder = Folder(path)
    return one, folder.read_json(RECORDS[kind]), folder.read_epochs()


def _head(one: Overview, record: dict[str, Any]) -> list[tuple[str, str]]:
    data, made = record["dataset"], record.get("provenance", record)
    source = f", from {record['recipe_source']}" if record.get("recipe_source") else ""
    changes = "the record does not say" if one.changes is None else settings_text(one.changes) or "nothing"
    if one.kind == RUN:
        own = [("recipe", f"{one.recipe}{source}"), ("set", changes)]
    else:
        space = ", ".join(record["space"])
        own = [("recipe", str(one.recipe)), ("method", f"{record['method']}, rates {record['rates']}; space: {space}")]
    images = f"{one.dataset}{'' if one.canonical else ' (canonical: false)'}: train {one.train_images:,} images"
    valid = (
        f"{one.split}, {data['valid_images']:,} images" if one.kind == RUN else "its full network, part of the holdout"
    )
    resumed = record.get("resumed") or []
    again = f"; resumed {counted(len(resumed), 'time')}, last {resumed[-1].get('at')}" if resumed else ""
    threads = f", {counted(made['threads'], 'thread')}" if made.get("threads") else ""
    more = {"started": f"{record.get('started')}{again}" if record.get("started") else None}
    more |= {"part of": one.part_of, "note": one.note}
    return [
        (one.kind, one.path),
        *own,
        ("data", f"{images}, valid = {valid}"),
        ("seed", str(one.seed)),
        ("status", f"{one.status}, {one.epochs} of {one.of} epochs" + (f": {one.message}" if one.message else "")),
        ("machine", f"{one.device}{threads}; precision {record.get('precision')}"),
        *((name, text) for name, text in more.items() if text),
    ]


def _closing(record: dict[str, Any], rows: Sequence[EpochRow]) -> list[str]:
    """The accuracies in percent, and how fast the training was."""
    lines = [f"valid acc: {100 * rows[-1].valid_acc:.2f} %"]
    if record.get("tta_acc") is not None:
        lines.append(f"valid acc over the views (tta={record['recipe'].get('tta')}): {100 * record['tta_acc']:.2f} %")
    if record.get("test_acc") is not None:
        lines.append(f"test acc: {100 * record['test_acc']:.2f} %")
    flops, rate, seconds = record.get("flops"), record.get("product_rate"), record["seconds"].get("train")
    if flops and rate and seconds and record["status"] == "finished":
        speed = f"{flops / seconds / 1e12:.3g} TFLOP/s, {flops / seconds / rate:.0%} of a matrix product's"
        lines.append(f"trained {flops / 1e15:.3g} PFLOP at {speed}")
    return lines
