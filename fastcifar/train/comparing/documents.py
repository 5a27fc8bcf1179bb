"""What `--json` prints of many runs; docs/many_runs.md describes it, and a test holds it there."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from fastcifar.train.comparing.advice import advice
from fastcifar.train.comparing.alike import mixed
from fastcifar.train.comparing.group import Group
from fastcifar.train.comparing.many import Summary, has_finished, seconds
from fastcifar.train.comparing.verdict import Comparison
from fastcifar.train.record.provenance import PROVENANCE
from fastcifar.train.result import Result


def runs_document(
    group: Group, results: Sequence[Result], summary: Summary, early: BaseException | None = None
) -> dict[str, Any]:
    """The document of `train --runs`.

    results: all that have begun, at least one. early: what has ended them before all were made.
    """
    return {
        "schema": 1,
        "id": group.id,
        **_status(early),
        **_recipe(results[0]),
        **_common(results[0]),
        "wanted": group.runs,
        "extended": list(group.extended),
        "mixed": mixed(results),
        "summary": summary.to_dict(),
        "runs": [_row(result) for result in results],
    }


def comparison_document(
    results: Mapping[str, Sequence[Result]],
    comparison: Comparison,
    group: Group | None = None,
    early: BaseException | None = None,
) -> dict[str, Any]:
    """The document of `compare`. results: of A and of B, all that have begun, at least one of A.

    group: None where the runs were there before.
    """
    summaries = {"A": comparison.a, "B": comparison.b}
    return {
        "schema": 1,
        "id": None if group is None else group.id,
        **_status(early),
        **_common(results["A"][0]),
        "wanted": max(map(len, results.values())) if group is None else group.runs,
        "extended": [] if group is None else list(group.extended),
        "mixed": mixed(chain.from_iterable(results.values())),
        "advice": advice(comparison, results),
        **{
            which.lower(): {
                **(_recipe(results[which][0]) if results[which] else {}),
                "summary": summary.to_dict(),
                "runs": [_row(result) for result in results[which]],
            }
            for which, summary in summaries.items()
        },
        **comparison.to_dict(),
    }


def _status(early: BaseException | None) -> dict[str, str]:
    if early is None:
        return {"status": "finished", "message": ""}
    by_user = isinstance(early, KeyboardInterrupt)
    return {"status": "interrupted" if by_user else "failed", "message": "" if by_user else str(early)}


def _recipe(result: Result) -> dict[str, Any]:
    names = ("recipe_name", "recipe", "precision", "parameters")
    return {name: value for name, value in result.to_dict().items() if name in names}


def _common(result: Result) -> dict[str, Any]:
    """What all runs have, under the names of the record."""
    record = result.to_dict()
    return {name: record[name] for name in ("split", "settings", "dataset", *PROVENANCE, "started")}


def _row(result: Result) -> dict[str, Any]:
    finished = has_finished(result)
    return {
        "id": result.id,
        "seed": result.seed,
        "status": result.status,
        "valid_acc": result.valid_acc if finished else None,
        "tta_acc": result.tta_acc if finished else None,
        "seconds": seconds(result),
    }
