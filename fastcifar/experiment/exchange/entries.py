"""Results of trials in a file: NNI's export, or ours as JSON or CSV."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastcifar.experiment.engines.base import result_of
from fastcifar.experiment.exchange.csv_cells import OWN, nested
from fastcifar.experiment.gate import metrics_of
from fastcifar.experiment.store.store import FINISHED
from fastcifar.experiment.store.stored import LATEST, finite
from fastcifar.names import short
from fastcifar.reading import parse_json, read_text
from fastcifar.search.spaces.space import Params, Space

Fields = Mapping[str, Any]
MAX_SEED = 2**63 - 1  # of SQLite


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A finished trial of a search. seed, times (start and end, seconds since 1970): where the file says them.

    reports: intermediate results, NaN for what is no number. left_out: which metrics are missing, and why.
    """

    params: Params
    value: float
    metrics: dict[str, Any]
    left_out: str = ""
    seed: int | None = None
    times: tuple[float, float] | None = None
    reports: tuple[float, ...] = ()


def read_entries(
    path: Path, space: Space, budget: str | None, check: Callable[[Params], None]
) -> tuple[list[Entry], int]:
    """The entries that are finished trials of a search (or do not say), and how many are something else.

    check: raises ValueError for parameters that do not fit; so does this, naming the entry.
    """
    text = read_text(path)
    is_json = text.lstrip()[:1] in ("[", "{")
    found = _json_fields(path, text) if is_json else _csv_fields(path, text)
    entries: list[Entry] = []
    for where, fields in found:
        if not _finished_search(fields):
            continue
        try:
            params = dict(fields["parameter"]) if is_json else _cells(fields, space, budget)
            check(params)
            entries.append(_entry(params, fields))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{where}: {error}") from None
    return entries, len(found) - len(entries)


def _json_fields(path: Path, text: str) -> list[tuple[str, Fields]]:
    found = parse_json(text, str(path))
    if not isinstance(found, list):
        raise ValueError(f"{path}: a list of entries is needed")
    for index, fields in enumerate(found):
        if not isinstance(fields, Mapping) or not isinstance(fields.get("parameter"), Mapping):
            raise ValueError(f'{path}, entry {index}: an object {{"parameter": {{...}}, "value": x}} is needed')
    return [(f"{path}, entry {index}", fields) for index, fields in enumerate(found)]


def _csv_fields(path: Path, text: str) -> list[tuple[str, Fields]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="", restval="")
    try:
        names = reader.fieldnames or ()
    except csv.Error as error:
        raise ValueError(f"{path}, line 1: not CSV: {error}") from None
    if "value" not in names:
        raise ValueError(f"{path}: neither a JSON list nor CSV with a column 'value'")
    try:
        return [(f"{path}, line {reader.line_num}", fields) for fields in reader]
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num + 1}: not CSV: {error}") from None


def _cells(fields: Fields, space: Space, budget: str | None) -> Params:
    if "" in fields:
        raise ValueError("it has more cells than the first line")
    return nested({name: text for name, text in fields.items() if name not in OWN}, space, budget)


def _finished_search(fields: Fields) -> bool:
    return (fields.get("kind") or "search") == "search" and (fields.get("state") or FINISHED) == FINISHED


def _entry(params: Params, fields: Fields) -> Entry:
    """An entry of the fields that a file has. Raises ValueError for a value, a seed or a time that cannot be."""
    value, metrics = _result(fields)
    kept, left_out = metrics_of(metrics)
    started, ended = (_time(name, fields.get(name)) for name in ("started", "ended"))
    found = fields.get("intermediate")
    numbers = [_number(one) for one in found] if isinstance(found, list) else []
    return Entry(
        params=params,
        value=value,
        metrics=kept,
        left_out=left_out,
        seed=_seed(fields.get("seed")),
        times=None if started is None or ended is None else (started, ended),
        reports=tuple(math.nan if one is None else one for one in numbers),
    )


def _result(fields: Fields) -> tuple[float, Mapping[str, Any]]:
    """The number and the other metrics. NNI's export may have it as text."""
    value = fields.get("value")
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError(f"value: a number is needed, not {short(value)}") from None
    number, metrics = result_of(value)
    own = fields.get("metrics")
    return number, {**(own if isinstance(own, Mapping) else {}), **metrics}


def _seed(value: Any) -> int | None:
    """A seed, also as text; None where there is none."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_SEED:
        raise ValueError(f"seed: a whole number from 0 to {MAX_SEED} is needed, not {short(value)}")
    return value


def _number(value: Any) -> float | None:
    """A finite number, also as text; None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return finite(value)


def _time(name: str, value: Any) -> float | None:
    """Seconds since 1970, also as text; None where there is none."""
    if value is None or value == "":
        return None
    number = _number(value)
    if number is None or not 0 <= number < LATEST:
        raise ValueError(f"{name}: seconds since 1970 are needed, not {short(value)}")
    return number
