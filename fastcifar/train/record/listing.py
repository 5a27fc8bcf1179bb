"""Lists the runs and supernets under a folder. It needs no torch and writes nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any

from fastcifar.names import nearest
from fastcifar.train.recipe.origin import EXPERIMENT, id_of, stem_of
from fastcifar.train.record.folder import Folder, RecordError
from fastcifar.train.record.guarded import as_record, check_keys
from fastcifar.typed import sort_key

RUN, SUPERNET = "run", "supernet"
RECORDS = {RUN: "run.json", SUPERNET: "supernet.json"}  # kind: the file that has its record
UNREADABLE = "unreadable"
NOTE = "note.txt"  # beside the record, which a resumed run replaces
MANY = 5  # ids that a message names


@dataclass(frozen=True, kw_only=True)
class Overview:
    """One run or supernet; a column is None where it is not known.

    kind: run or supernet. recipe: its name. changes: fields that have another value than in the recipe of that name,
    as `--set` takes them; None in a record that does not say.
    status: of the record; `killed` where that is running and no process holds the run; `unreadable`, and message says
    why. epochs: that are done, of how many.
    valid_acc: after the last epoch, a share of 1; of a supernet its full network's, on a part of the holdout.
    part_of: the comparison or search that the run belongs to. note: what the user has written.
    """

    id: str
    kind: str = RUN
    recipe: str | None = None
    changes: Mapping[str, Any] | None = None
    dataset: str | None = None
    canonical: bool | None = None
    train_images: int | None = None
    split: str | None = None
    seed: int | None = None
    status: str
    epochs: int | None = None
    of: int | None = None
    valid_acc: float | None = None
    train_seconds: float | None = None
    wall_seconds: float | None = None
    device: str | None = None
    part_of: str | None = None
    note: str | None = None
    path: str
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


KINDS = {  # of what a record says
    "dataset": str,
    "canonical": bool,
    "train_images": int,
    "seed": int,
    "of": int,
    "recipe": str,
    "split": str,
    "device": str,
}
COLUMNS = tuple(field.name for field in fields(Overview))


def folders(out: Path) -> Iterator[tuple[Path, str]]:
    """The folders under `out` that hold a run or a supernet, also one of an experiment's, by id; and of what kind.

    One that has epochs and no record is that of a run which ended before it had begun.
    """
    for path in sorted(out.iterdir()) if out.is_dir() else []:
        if (kind := _kind(path)) is not None:
            yield path, kind
        elif _is_file(path / EXPERIMENT):
            yield from ((inner.parent, SUPERNET) for inner in sorted(path.glob(f"*/{RECORDS[SUPERNET]}")))


def overviews(out: Path, sort: str = "id") -> list[Overview]:
    """All runs and supernets under `out` by a column; those that do not have it come last.

    What cannot be read has the status `unreadable`. Raises ValueError for an unknown column.
    """
    if sort not in COLUMNS:
        raise ValueError(f"--sort: there is no column {sort!r}{nearest(sort, COLUMNS)}")
    found = [overview(path, kind) for path, kind in folders(out)]
    return sorted(found, key=lambda one: sort_key(getattr(one, sort)))


def overview(path: Path, kind: str) -> Overview:
    """The run or supernet in the folder `path`; where its files cannot be read, what is known of it."""
    known: dict[str, Any] = {"id": path.absolute().name, "kind": kind, "path": str(path)}
    try:
        known["note"] = read_note(path)
        known |= _record(Folder(path), kind)
        known |= _epochs(Folder(path), known["wall_seconds"])
    except (RecordError, OSError) as error:
        return Overview(**known | {"status": UNREADABLE, "message": str(error)})
    return Overview(**known)


def find(out: Path, name: str) -> tuple[Path, str]:
    """The folder of a run or supernet and its kind, by path, id or a unique beginning of the id.

    Raises RecordError where there is none, with the nearest ids, or more than one.
    """
    for path in (Path(name), out / name):
        if name and (kind := _kind(path)) is not None:
            return path, kind
    there = {path.name: (path, kind) for path, kind in folders(out)}
    if name in there:
        return there[name]
    found = [id for id in there if name and id.startswith(name)]
    if len(found) == 1:
        return there[found[0]]
    if found:
        more = f" and {len(found) - MANY} more" if len(found) > MANY else ""
        raise RecordError(f"{name!r} is the beginning of several runs: {', '.join(found[:MANY])}{more}")
    close = get_close_matches(name, there, n=3, cutoff=0.4)
    hint = f"; did you mean {' or '.join(close)}?" if close else "; `fastcifar runs` lists them" if there else ""
    raise RecordError(f"there is no run {name!r} under {out}{hint}")


def status(folder: Folder, record: Mapping[str, Any]) -> str:
    """What a run or a supernet with this record is doing."""
    said = str(record["status"])
    return "killed" if said == "running" and not folder.in_use() else said


def read_note(path: Path) -> str | None:
    """What the user has written about the run in the folder `path`."""
    try:
        return (path / NOTE).read_text(encoding="utf-8", errors="replace").strip() or None
    except FileNotFoundError:
        return None


def write_note(path: Path, text: str) -> None:
    """Keep a note on the run in the folder `path`, in place of the old one; an empty text removes it."""
    folder = Folder(path)
    if text.strip():
        folder.write_text(text.strip() + "\n", NOTE)
    else:
        folder.remove(NOTE)


def _kind(path: Path) -> str | None:
    for kind, name in RECORDS.items():
        if _is_file(path / name):
            return kind
    return RUN if _is_file(path / "epochs.csv") else None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that is not ours
        return False


def _record(folder: Folder, kind: str) -> dict[str, Any]:
    """What the record says. Raises RecordError where it is damaged."""
    name = RECORDS[kind]
    record = folder.read_json(name)
    with as_record(folder.path / name):
        found = {**_common(folder, record), **(_run(record) if kind == RUN else _supernet(folder, record))}
        check_keys(found, KINDS, "record")
    return found


def _common(folder: Folder, record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "dataset": record["dataset"]["name"],
        "canonical": record["dataset"]["canonical"],
        "train_images": record["dataset"]["train_images"],
        "seed": record["seed"],
        "status": status(folder, record),
        "of": record["recipe"]["total_epoch"],
        "wall_seconds": float(record["seconds"]["wall"]),
        "message": str(record["message"]),
    }


def _run(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "recipe": record["recipe_name"],
        "changes": dict(record["changes"]) if record.get("changes") is not None else None,
        "split": record["split"],
        "device": record["device"],
        "part_of": part_of(record),
    }


def _supernet(folder: Folder, record: Mapping[str, Any]) -> dict[str, Any]:
    inside = folder.path.resolve().parent
    return {
        "recipe": stem_of(folder.id).removeprefix("supernet-"),
        "split": "holdout",
        "device": record["provenance"]["device"],
        "part_of": f"search {inside.name}" if _is_file(inside / EXPERIMENT) else None,
    }


def part_of(record: Mapping[str, Any]) -> str | None:
    """The comparison, or the many runs, that a run was made for; or the search that has found its recipe."""
    group = record["settings"].get("group")
    if isinstance(group, Mapping):
        kind, id, side = (str(group.get(key) or "") for key in ("kind", "id", "side"))
        return " ".join(word for word in ("" if f"-{kind}-" in id else kind, id, side) if word)
    search = id_of(record.get("recipe_source"))
    return f"search {search}" if search else None


def _epochs(folder: Folder, wall: float) -> dict[str, Any]:
    """What the table of epochs says. wall: seconds in the record, which does not know of epochs until its end."""
    rows = folder.read_epochs()
    train, epochs = sum(row.train_time for row in rows), sum(row.epoch_time for row in rows)
    accuracy = rows[-1].valid_acc if rows else None
    if not all(map(isfinite, (train, epochs, wall, accuracy or 0.0))):
        raise RecordError(f"{folder.path}: a time or an accuracy is not finite")
    return {
        "epochs": len(rows),
        "valid_acc": accuracy,
        "train_seconds": round(train, 2),
        "wall_seconds": round(max(wall, epochs), 2),
    }
