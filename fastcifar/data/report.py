"""The report of `fastcifar data`: the searched paths of each dataset, what was found, and whether it is complete."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from fastcifar.data.dataset import DataError
from fastcifar.data.load import check_name, load, locate


@dataclass(frozen=True, kw_only=True)
class Looked:
    """One path at which a dataset was looked for."""

    path: str
    kind: str  # 'python folder', 'binary folder', 'python archive' or 'binary archive'
    state: Literal["found", "missing"]


@dataclass(frozen=True, kw_only=True)
class DataStatus:
    """The status of one dataset. Fields that need loading are None until it is verified."""

    name: str
    looked_in: tuple[Looked, ...]
    source: str | None  # what `load` reads; None where there is nothing
    verified: bool  # it was loaded, and is whole
    fingerprint: str | None = None  # SHA-256, see `fastcifar.data.dataset.fingerprint`
    canonical: bool | None = None
    num_train: int | None = None
    num_test: int | None = None
    num_classes: int | None = None
    error: str | None = None


def data_report(names: Iterable[str], root: str | Path | None = None, verify: bool = False) -> list[DataStatus]:
    """Looks for each named dataset, and with `verify` loads those that exist. Never downloads.

    A dataset that is broken gives a status with its error. Raises ValueError for an unknown name only.
    """
    return [_status(name, root, verify) for name in names]


def format_report(statuses: Sequence[DataStatus]) -> str:
    """The statuses as plain text."""
    return "\n\n".join("\n".join(_lines(status)) for status in statuses)


def report_json(statuses: Sequence[DataStatus]) -> list[dict[str, Any]]:
    """The statuses as lists, dicts, strings and numbers."""
    return [asdict(status) for status in statuses]


def _status(name: str, root: str | Path | None, verify: bool) -> DataStatus:
    check_name(name)
    try:
        places = locate(name, root)
    except DataError as error:
        return DataStatus(name=name, looked_in=(), source=None, verified=False, error=str(error))
    looked = tuple(
        Looked(
            path=str(place.path),
            kind=f"{place.form.format} {'archive' if place.packed else 'folder'}",
            state="found" if place.found else "missing",
        )
        for place in places
    )
    made_up = "made up on the spot" if not places else None
    source = next((each.path for each in looked if each.state == "found"), made_up)
    if source is None or not verify:
        return DataStatus(name=name, looked_in=looked, source=source, verified=False)
    try:
        dataset = load(name, root, download=False)
    except DataError as error:
        return DataStatus(name=name, looked_in=looked, source=source, verified=False, error=str(error))
    return DataStatus(
        name=name,
        looked_in=looked,
        source=dataset.source,
        verified=True,
        fingerprint=dataset.fingerprint,
        canonical=dataset.canonical,
        num_train=len(dataset.train.labels),
        num_test=len(dataset.test.labels),
        num_classes=len(dataset.classes),
    )


def _lines(status: DataStatus) -> list[str]:
    lines = [status.name]
    lines += [f"  {each.state:<8} {each.path} ({each.kind})" for each in status.looked_in]
    lines.append(f"  source       {status.source or 'none: nothing was found'}")
    if status.error:
        return [*lines, f"  error        {status.error}"]
    if status.verified:
        lines.append(f"  images       {status.num_train} train, {status.num_test} test, {status.num_classes} classes")
        lines.append(f"  fingerprint  {status.fingerprint}")
        lines.append(f"  canonical    {'yes' if status.canonical else 'no'}")
    elif status.source and status.looked_in:
        lines.append("  not verified: --verify reads it all")
    return lines
