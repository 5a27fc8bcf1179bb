"""Reads the summary in a store, so that an older one has the keys of a new one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from fastcifar.experiment.judgement import judge
from fastcifar.experiment.store.kept import check_version, kept

SCHEMA = 1  # version of a summary
OVER = ("done", "stopped")  # the status of an experiment whose last session has written the summary


@dataclass(kw_only=True)
class _Summary:
    best: dict[str, Any] | None = None
    best_value: float | None = None
    ended: str = ""
    confirmed: dict[str, Any] | None = None
    pareto: dict[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True)
class _Confirmed:
    seeds: int
    best: dict[str, Any]
    others: list[Any] = field(default_factory=list)
    default: dict[str, Any] | None = None
    better_than_default: dict[str, Any] | None = None
    better_on_test: dict[str, Any] | None = None
    allows_for_choice: bool = False  # whether the intervals do for that of the best; older ones do not


@dataclass(kw_only=True)
class _Candidate:
    params: dict[str, Any]
    result: dict[str, Any]
    test_acc: dict[str, Any] | None = None
    trials: list[Any] = field(default_factory=list)


@dataclass(kw_only=True)
class _Estimate:
    n: int
    mean: float | None = None
    half_interval: float | None = None


@dataclass(kw_only=True)
class _Point:
    trial: int
    params: dict[str, Any]
    value: float
    cost: float


def read_summary(meta: Mapping[str, Any], folder: Path) -> dict[str, Any] | None:
    """The summary in a store; None before there is one. It has `outcome` and `verdict`, an older one, too.

    meta: what `read_meta` gave. Raises StoreError for a summary of another version.
    """
    if meta.get("summary") is None:
        return None
    check_version(meta["summary"], "schema", SCHEMA, "summary", folder)
    document = _read(_Summary, meta["summary"], "summary", folder)
    if document["confirmed"] is not None:
        document["confirmed"] = _confirmed(document["confirmed"], folder)
    for cost, front in document["pareto"].items():
        for one in front if isinstance(front, list) else [front]:
            has_cost = isinstance(one, Mapping) and cost in one
            _read(_Point, one | {"cost": one[cost]} if has_cost else one, f"summary's {cost}", folder)
    judgement = judge(meta["spec"], document["confirmed"])
    found = document["best"] is not None
    judged = {"outcome": judgement.outcome, "verdict": judgement.text} if found else {"outcome": None, "verdict": None}
    return judged | document


def holds_default(summary: Mapping[str, Any]) -> bool:
    """Whether best.json has the recipe without a change, because the search found nothing better."""
    return summary["best"] == {} and summary["confirmed"] is not None and summary["confirmed"]["default"] is not None


def held(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """The confirmed point, or the default, whose parameters best.json has; None where nothing was confirmed."""
    if summary["confirmed"] is None or summary["best"] is None:
        return None
    found: dict[str, Any] = summary["confirmed"]["default" if holds_default(summary) else "best"]
    return found


def in_order(summary: Mapping[str, Any], maximize: bool) -> list[tuple[str, dict[str, Any]]]:
    """The confirmed points and the default, each with its kind: what best.json has, then the best means first."""
    confirmed = summary["confirmed"]
    if confirmed is None:
        return []
    every = [("confirm", confirmed["best"]), *(("confirm", one) for one in confirmed["others"])]
    every += [("default", confirmed["default"])] if confirmed["default"] is not None else []
    first = held(summary)

    def key(pair: tuple[str, dict[str, Any]]) -> tuple[bool, bool, float]:
        mean = pair[1]["result"]["mean"]
        return pair[1] is not first, mean is None, 0.0 if mean is None else -mean if maximize else mean

    return sorted(every, key=key)


def _confirmed(document: Any, folder: Path) -> dict[str, Any]:
    read = _read(_Confirmed, document, "summary", folder)
    read["best"] = _candidate(read["best"], folder)
    read["others"] = [_candidate(one, folder) for one in read["others"]]
    if read["default"] is not None:
        read["default"] = _candidate(read["default"], folder)
    for name in ("better_than_default", "better_on_test"):
        if read[name] is not None:
            read[name] = _read(_Estimate, read[name], "summary", folder)
    return read


def _candidate(document: Any, folder: Path) -> dict[str, Any]:
    read = _read(_Candidate, document, "summary", folder)
    for name in ("result", "test_acc"):
        if read[name] is not None:
            read[name] = _read(_Estimate, read[name], "summary", folder)
    return read


def _read(kind: Any, document: Any, what: str, folder: Path) -> dict[str, Any]:
    """The document with the fields of `kind`, checked, and their defaults; other keys stay as they are."""
    names = {one.name for one in fields(kind)}
    known = document if not isinstance(document, Mapping) else {key: document[key] for key in document if key in names}
    checked: dict[str, Any] = vars(kind(**kept(kind, known, what, folder)))
    return {**document, **checked}
