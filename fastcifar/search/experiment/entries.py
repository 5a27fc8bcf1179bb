"""Results of trials in a file: NNI's export, or ours as JSON or CSV."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastcifar.search.experiment.engine import result_of
from fastcifar.search.experiment.flat import OWN, nested
from fastcifar.search.experiment.store import FINISHED
from fastcifar.search.space import Params, Space

Fields = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A finished trial of a search. fields: what the file says besides, which may be nothing."""

    params: Params
    value: float
    metrics: dict[str, Any]
    fields: Fields

    def number(self, name: str) -> float | None:
        """A field that is a finite number."""
        return _finite(self.fields.get(name))

    @property
    def reports(self) -> list[float]:
        """The intermediate results; NaN for what is no number."""
        found = self.fields.get("intermediate")
        numbers = [_finite(value) for value in found] if isinstance(found, list) else []
        return [math.nan if value is None else value for value in numbers]


def read_entries(
    path: Path, space: Space, budget: str | None, check: Callable[[Params], None]
) -> tuple[list[Entry], int]:
    """The entries that are finished trials of a search (or do not say), and how many are something else.

    check: raises ValueError for parameters that do not fit; so does this, naming the entry.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: neither JSON nor CSV") from None
    is_json = text.lstrip()[:1] in ("[", "{")
    found = _json_fields(path, text) if is_json else _csv_fields(path, text)
    entries: list[Entry] = []
    for where, fields in found:
        if not _finished_search(fields):
            continue
        try:
            params = dict(fields["parameter"]) if is_json else _cells(fields, space, budget)
            check(params)
            value, metrics = _result(fields)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        entries.append(Entry(params=params, value=value, metrics=metrics, fields=fields))
    return entries, len(found) - len(entries)


def _json_fields(path: Path, text: str) -> list[tuple[str, Fields]]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from None
    if not isinstance(found, list):
        raise ValueError(f"{path}: a list of entries is needed")
    for index, fields in enumerate(found):
        if not isinstance(fields, Mapping) or not isinstance(fields.get("parameter"), Mapping):
            raise ValueError(f'{path}, entry {index}: an object {{"parameter": {{...}}, "value": x}} is needed')
    return [(f"{path}, entry {index}", fields) for index, fields in enumerate(found)]


def _csv_fields(path: Path, text: str) -> list[tuple[str, Fields]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="", restval="")
    if "value" not in (reader.fieldnames or ()):
        raise ValueError(f"{path}: neither a JSON list nor CSV with a column 'value'")
    return [(f"{path}, line {reader.line_num}", fields) for fields in reader]


def _cells(fields: Fields, space: Space, budget: str | None) -> Params:
    if "" in fields:
        raise ValueError("it has more cells than the first line")
    return nested({name: text for name, text in fields.items() if name not in OWN}, space, budget)


def _finished_search(fields: Fields) -> bool:
    return (fields.get("kind") or "search") == "search" and (fields.get("state") or FINISHED) == FINISHED


def _result(fields: Fields) -> tuple[float, dict[str, Any]]:
    """The number and the other metrics. NNI's export may have it as text."""
    value = fields.get("value")
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            raise ValueError(f"value: a number is needed, not {value!r}") from None
    number, metrics = result_of(value)
    own = fields.get("metrics")
    return number, {**(own if isinstance(own, Mapping) else {}), **metrics}


def _finite(value: Any) -> float | None:
    """A finite number, also as text; None for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
