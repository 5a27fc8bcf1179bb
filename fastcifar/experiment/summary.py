"""The summary of a search: the confirmed points beside the default, a verdict, the Pareto tables, the best recipe."""

import json
import math
from dataclasses import dataclass
from typing import Any

from fastcifar.experiment.confirm import Candidate, candidates, chosen_gain, pareto, points_to_confirm, winner
from fastcifar.experiment.judgement import WORSE, judge
from fastcifar.experiment.loop import Driver, confirm_seeds
from fastcifar.experiment.objectives.registry import recipes_of
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.kept_summary import SCHEMA
from fastcifar.experiment.store.store import FAILED, FINISHED, STOPPED
from fastcifar.experiment.tuners.custom import best_of
from fastcifar.search.hyperband import Hyperband
from fastcifar.search.spaces.space import Params
from fastcifar.statistics import Estimate

PARETO_COSTS = ("flops", "train_seconds")


@dataclass(frozen=True, kw_only=True)
class Found:
    """The confirmed points. default: the unchanged recipe, run in the same way; None if trials do not train."""

    best: Candidate | None
    others: tuple[Candidate, ...]
    default: Candidate | None


def confirmed(spec: Spec, driver: Driver) -> Found | None:
    """Run the best points again on fresh seeds, as `run_again` does; None if not asked for, or stopped."""
    points, seeds = spec.confirm
    if not any(row.value is not None for row in driver.rows.values() if row.kind == "search"):
        return None
    if driver.stopping or points < 1 or seeds < 1:
        return None
    chosen = points_to_confirm(driver.plan.searcher, driver.history, points)
    return run_again(spec, driver, [{**one, **_full_budget(spec, driver)} for one in chosen])


def run_again(spec: Spec, driver: Driver, points: list[Params]) -> Found | None:
    """Run points and the unchanged recipe on fresh seeds at full budget; None if it was stopped."""
    fresh = confirm_seeds(spec.seed, spec.confirm[1])
    found = candidates(driver.repeat("confirm", points, fresh))
    default = candidates(driver.repeat("default", [{}], fresh)) if spec.recipe is not None else []
    if driver.stopping:
        return None
    best = winner(found, spec.maximize)
    others = tuple(one for one in found if one is not best)
    return Found(best=best, others=others, default=default[0] if default else None)


def _full_budget(spec: Spec, driver: Driver) -> Params:
    """Hyperband's largest budget, for the parameters of a function or command; a recipe has its own full budget."""
    searcher = driver.plan.searcher
    if spec.recipe is not None or driver.plan.budget is None or not isinstance(searcher, Hyperband):
        return {}
    return {driver.plan.budget: searcher.high}


def _point(driver: Driver, params: Params) -> Params:
    """Parameters without Hyperband's budget."""
    return {name: value for name, value in params.items() if name != driver.plan.budget}


def best_params(driver: Driver, found: Found | None) -> Params | None:
    """The best confirmed point, or without one the searcher's estimate; None if no trial has a result."""
    if found and found.best:
        return _point(driver, found.best.params)
    if not any(row.value is not None for row in driver.rows.values() if row.kind == "search"):
        return None
    return best_of(driver.plan.searcher, driver.history)


def mean_value(driver: Driver, params: Params) -> float | None:
    """The mean result of the search's trials of a point, on its largest budget; None if none has finished."""
    rows = [row for row in driver.rows.values() if row.kind == "search" and row.state == FINISHED]
    rows = [row for row in rows if _point(driver, row.params) == params and row.value is not None]
    budgets = [row.params.get(driver.plan.budget or "", 0) for row in rows]
    values = [row.value for row, budget in zip(rows, budgets, strict=True) if budget == max(budgets)]
    return sum(value for value in values if value is not None) / len(values) if values else None


def summary(spec: Spec, driver: Driver, found: Found | None) -> dict[str, Any]:
    """The summary as a JSON document. It also stores the summary, and writes best.json."""
    rows = [row for row in driver.rows.values() if row.kind == "search"]
    confirmed, best = _confirmed(spec, found), best_params(driver, found)
    judgement = judge(spec.to_dict(), confirmed)
    if confirmed is None:
        value = None if best is None else mean_value(driver, best)
    elif judgement.outcome == WORSE:  # best.json is for who wants the best there is
        best, value = {}, confirmed["default"]["result"]["mean"]
    else:
        value = confirmed["best"]["result"]["mean"]
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "id": driver.store.folder.name,
        "path": str(driver.store.folder),
        "ended": driver.ended,
        "seconds": driver.seconds,
        "trials": {"all": len(rows)} | {s: sum(row.state == s for row in rows) for s in (FINISHED, STOPPED, FAILED)},
        "maximize": spec.maximize,
        "metric": spec.metric,
        "best": best,
        "best_value": value,
        "confirmed": confirmed,
        "outcome": None if best is None else judgement.outcome,
        "verdict": "no trial has a result" if best is None else judgement.text,
        "pareto": {
            cost: [
                {"trial": row.number, "params": row.params, "value": row.value, cost: row.metrics[cost]}
                for row in front
            ]
            for cost in PARETO_COSTS
            if (front := pareto(rows, cost, spec.maximize))
        },
    }
    if best is not None:
        write_best(spec, driver, best)
    driver.store.set({"summary": document})
    return document


def _confirmed(spec: Spec, found: Found | None) -> dict[str, Any] | None:
    if found is None or found.best is None:
        return None
    default = found.default
    gain = None if default is None else chosen_gain(found.best, found.others, default)
    on_test = None if default is None else chosen_gain(found.best, found.others, default, "test_acc")
    return {
        "seeds": spec.confirm[1],
        "best": _candidate(found.best),
        "others": [_candidate(one) for one in found.others],
        "default": None if default is None else _candidate(default),
        "better_than_default": None if gain is None else _estimate(gain),
        "better_on_test": _estimate(on_test) if on_test and on_test.n else None,
        "allows_for_choice": True,  # the intervals of both
    }


def write_best(spec: Spec, driver: Driver, params: Params) -> None:
    """Write best.json: for trainings a recipe for `fastcifar train`, otherwise the parameters."""
    values: Any = params
    if spec.recipe is not None:
        values = recipes_of(spec)(params).to_dict()
    temporary = driver.store.folder / "best.json.new"
    temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    temporary.replace(driver.store.folder / "best.json")


def _candidate(one: Candidate) -> dict[str, Any]:
    return {
        "params": one.params,
        "result": _estimate(one.result),
        "test_acc": _estimate(one.test) if one.test.n else None,
        "trials": [row.number for row in one.rows],
    }


def _estimate(one: Estimate) -> dict[str, Any]:
    half = one.half if math.isfinite(one.half) else None
    return {"n": one.n, "mean": one.mean if one.n else None, "half_interval": half}
