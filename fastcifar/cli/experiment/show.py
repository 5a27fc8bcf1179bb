"""One experiment for the eye: what is searched, and the summary that the store keeps."""

import json
from typing import Any

from fastcifar.cli.experiment.view import clock
from fastcifar.cli.table import params_text, table
from fastcifar.names import counted
from fastcifar.search.experiment.flat import flat

COSTS = {"flops": "FLOPs of an image", "train_seconds": "seconds of training"}


def show_text(shown: dict[str, Any]) -> str:
    """What `document` gives, as text."""
    spec, counts = shown["spec"], shown["trials"]
    pairs = [
        ("experiment", shown["path"]),
        ("status", shown["status"]),
        ("started", clock(shown["started"]) or "-"),
        ("trials", ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "none"),
        ("trial", _what(spec)),
        (
            "tuner",
            _algorithm(spec["tuner"]) + (f", assessor {_algorithm(spec['assessor'])}" if spec["assessor"] else ""),
        ),
        ("goal", f"{'most' if spec['maximize'] else 'least'} {spec['metric']}, seed {spec['seed']}"),
        ("limits", _limits(spec)),
    ]
    lines = [f"{name:<12}{value}" for name, value in pairs]
    lines += ["space", *(f"  {name}  {json.dumps(entry)}" for name, entry in spec["space"].items())]
    return "\n".join([*lines, "", *_summary(shown)])


def _summary(shown: dict[str, Any]) -> list[str]:
    summary, best = shown["summary"], shown["best"]
    if summary is None or shown["status"] not in ("done", "stopped"):  # else it is of an earlier session
        return [
            f"best so far: {best['value']:.6g}  trial {best['number']}  {_params(best)}" if best else "no result yet"
        ]
    if summary["best"] is None:
        return ["no trial has a result"]
    lines = [f"ended: {summary['ended']}"] if summary["ended"] else []
    confirmed = summary["confirmed"]
    if confirmed is None:
        lines.append(f"best: {params_text(flat(summary['best']))}  (not confirmed: the searcher's estimate)")
    else:
        named = [("winner", confirmed["best"]), *(("", one) for one in confirmed["others"])]
        named += [("default", confirmed["default"])] if confirmed["default"] else []
        rows = [(name, _estimate(one["result"]), _estimate(one["test_acc"]), _params(one)) for name, one in named]
        lines.append(f"confirmed at full budget on {counted(confirmed['seeds'], 'fresh seed')}; mean ± 95 % interval")
        lines.append(table(("", "result", "test %", "parameters"), rows))
    for cost, front in summary["pareto"].items():
        rows_of = [(one[cost], one["value"], one["trial"], _params(one)) for one in front]
        lines += ["", f"best for its {COSTS.get(cost, cost)} (single trials of the search)"]
        lines.append(table((cost, "result", "trial", "parameters"), rows_of))
    return lines


def _what(spec: dict[str, Any]) -> str:
    if spec["command"] is not None:
        return f"command {spec['command']} in {spec['code_directory']}"
    if spec["recipe"] is not None:
        return f"recipe {spec['recipe_name']} on {spec['device']}"
    if spec["supernet"] is not None:
        return f"networks of the supernet {spec['supernet']}"
    return f"function {spec['function'] or 'of the program that made it'}"


def _limits(spec: dict[str, Any]) -> str:
    each = f"{spec['trial_seconds']:g} s a trial" if spec["trial_seconds"] else None
    parts = [
        counted(spec["trials"], "trial") if spec["trials"] is not None else None,
        f"{spec['seconds']:g} s" if spec["seconds"] is not None else None,
        each,
        f"{spec['concurrency']} at a time",
    ]
    return ", ".join(part for part in parts if part)


def _algorithm(config: dict[str, Any]) -> str:
    return str(config.get("name") or config.get("class_name"))


def _estimate(one: dict[str, Any] | None) -> str | None:
    if one is None or one["mean"] is None:
        return None
    return f"{one['mean']:.2f}" + (f" ± {one['half_interval']:.2f}" if one["half_interval"] is not None else "")


def _params(one: dict[str, Any]) -> str:
    return params_text(flat(one["params"])) or "its defaults"
