"""The result of a search as text: the same for `search`, `supernet search` and `experiment show`."""

from collections.abc import Mapping
from typing import Any

from fastcifar.cli.table import params_text, table
from fastcifar.experiment.exchange.csv_cells import flat
from fastcifar.experiment.judgement import amount, estimate_of, name_of_best, percents
from fastcifar.experiment.store.kept_summary import holds_default
from fastcifar.names import counted
from fastcifar.statistics import Estimate, few

COST_NAMES = {"flops": "FLOPs of an image", "train_seconds": "seconds of training"}

Document = Mapping[str, Any]


def found_text(spec: Document, summary: Document) -> str:
    """The best point, confirmed or not, and the Pareto tables. spec, summary: as stored."""
    if summary["best"] is None:
        return "no trial has a result"
    return "\n".join([best_text(spec, summary), *(_pareto_text(spec, *one) for one in summary["pareto"].items())])


def best_text(spec: Document, summary: Document) -> str:
    """The confirmed points beside the default, and the verdict; or the searcher's choice."""
    confirmed = summary["confirmed"]
    if confirmed is None:
        value = summary["best_value"]
        result = "" if value is None else f", whose result was {result_text(value, spec)}"
        return (
            f"best: {params_text(flat(summary['best']))}{result}; not confirmed, the searcher's choice among its trials"
        )
    named = [(name_of_best(confirmed), confirmed["best"]), *(("", one) for one in confirmed["others"])]
    named += [(spec["recipe_name"], confirmed["default"])] if confirmed["default"] else []
    trains, percent = spec["recipe"] is not None, percents(spec)
    result = "holdout %" if percent else "result"
    names = ("", result, *(("test %",) if trains else ()), "parameters")
    rows = [
        (name, _cell(one["result"], percent), *((_cell(one["test_acc"], True),) if trains else ()), params_of(one))
        for name, one in named
    ]
    seeds = counted(confirmed["seeds"], "fresh seed")
    head = f"confirmed at full budget on {seeds}; mean ± 95 % interval"
    caution = few(max(estimate_of(one["result"]).n for _, one in named))
    return "\n".join([head, table(names, rows), str(summary["verdict"]), *([caution] if caution else [])])


def where_text(spec: Document, summary: Document, path: object) -> str:
    """Where best.json is, and what it holds."""
    what = "parameters" if spec["recipe"] is None else "recipe"
    if summary["confirmed"] is None:
        return f"{what}: {path}"
    who = name_of_best(summary["confirmed"])
    if holds_default(summary):
        who = f"{spec['recipe_name']} as it is: the search has found nothing better"
    return f"{what}: {path} ({who})"


def result_text(value: float, spec: Document) -> str:
    """One result, in percent if it is an accuracy."""
    return amount(Estimate.of([value]), percents(spec))


def params_of(one: Document) -> str:
    """The parameters of a confirmed point or a trial."""
    return params_text(flat(one["params"])) or "its defaults"


def _cell(estimate: Document | None, percent: bool) -> str:
    found = estimate_of(estimate)
    return amount(found, percent).removesuffix(" %") + (f" (n {found.n})" if found.n else "")


def _pareto_text(spec: Document, cost: str, front: list[Document]) -> str:
    name = COST_NAMES.get(cost, cost)
    rows = [
        (_cost_text(cost, one[cost]), result_text(one["value"], spec), one["trial"], params_of(one)) for one in front
    ]
    heads = (name, "result", "trial", "parameters")
    return f"\nbest for its {name} (single trials of the search)\n{table(heads, rows)}"


def _cost_text(cost: str, value: float) -> str:
    return f"{value / 1e6:,.1f} M" if cost == "flops" else f"{value:,.1f}"
