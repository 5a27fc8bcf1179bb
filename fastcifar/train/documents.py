"""What `--json` prints of many runs; docs/many_runs.md describes it, and a test holds it there."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastcifar.train.comparison import Comparison
from fastcifar.train.many import Summary, has_finished, seconds
from fastcifar.train.provenance import PROVENANCE
from fastcifar.train.result import Result


def runs_document(
    results: Sequence[Result], summary: Summary, wanted: int, early: BaseException | None = None
) -> dict[str, Any]:
    """The document of `train --runs`.

    results: all that have begun, at least one. wanted: how many runs were asked for. early: what ended them before.
    """
    return {
        "schema": 1,
        **_status(early),
        **_recipe(results[0]),
        **_common(results[0]),
        "wanted": wanted,
        "summary": summary.to_dict(),
        "runs": [_row(result) for result in results],
    }


def comparison_document(
    results: Mapping[str, Sequence[Result]],
    comparison: Comparison,
    wanted: int,
    early: BaseException | None = None,
) -> dict[str, Any]:
    """The document of `compare`. results: of A and of B, all that have begun, at least one of A."""
    summaries = {"A": comparison.a, "B": comparison.b}
    return {
        "schema": 1,
        **_status(early),
        **_common(results["A"][0]),
        "wanted": wanted,
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
