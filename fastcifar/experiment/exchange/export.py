"""All trials of an experiment, in one JSON or CSV document."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastcifar.experiment.exchange.csv_cells import OWN, flat, text_of, value_of
from fastcifar.experiment.store.store import TrialRow

FORMATS = ("json", "csv")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet's begin with


def to_json(rows: Iterable[TrialRow], reports: Mapping[int, list[float]]) -> str:
    """A list of objects: `parameter`, `value` and `intermediate` as NNI's export has them, and what we know besides.

    reports: the intermediate results by the number of their trial.
    """
    entries = [_entry(row, reports.get(row.number, [])) for row in rows]
    return "[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n"


def to_csv(rows: Sequence[TrialRow], safe: bool = False) -> str:
    """A row per trial: its own columns, then one per parameter, see `flat`; a value is JSON, or else text.

    safe: text that a spreadsheet would take for a formula begins with '.
    """
    plain = _no_formula if safe else lambda cell: cell
    params = [flat(row.params) for row in rows]
    names = list(dict.fromkeys(name for one in params for name in one))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*OWN, *map(plain, names)])
    for row, one in zip(rows, params, strict=True):
        own = [getattr(row, name) for name in OWN]
        cells = [*own, *(text_of(one[name]) if name in one else "" for name in names)]
        writer.writerow([plain(cell) for cell in cells])
    return file.getvalue()


def format_of(path: Path, said: str | None = None) -> str:
    """The format of a file by its ending, or what was `said`. Raises ValueError for an unknown ending."""
    ending = path.suffix.lower().lstrip(".")
    if said is None and ending not in FORMATS:
        known = ", ".join(f".{name}" for name in FORMATS)
        raise ValueError(f"{path}: the ending says the format; known are {known} (or --format)")
    if said is not None and ending in FORMATS and ending != said:
        raise ValueError(f"{path}: --format {said} is not what the ending .{ending} says")
    return said or ending


def _no_formula(cell: Any) -> Any:
    """The cell, with a ' before text that begins as a formula does; numbers stay what they are."""
    if not isinstance(cell, str) or not cell.startswith(FORMULA) or isinstance(value_of(cell), int | float):
        return cell
    return "'" + cell


def json_values(value: Any) -> Any:
    """The same with null for numbers that are not finite, which JSON has not."""
    if isinstance(value, Mapping):
        return {key: json_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_values(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _entry(row: TrialRow, curve: list[float]) -> dict[str, Any]:
    entry = asdict(row) | {"seconds": row.seconds, "metrics": json_values(row.metrics)}
    reports = json_values(curve)
    return {"parameter": entry.pop("params"), "value": entry.pop("value"), "intermediate": reports, **entry}
