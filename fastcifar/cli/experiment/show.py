"""One experiment as text: what it searches, and the summary in its store."""

import json
from pathlib import Path
from typing import Any

from fastcifar.cli.experiment.view import clock
from fastcifar.cli.found import found_text, params_of, result_text, where_text
from fastcifar.cli.table import pairs_text
from fastcifar.experiment.judgement import percents
from fastcifar.experiment.store.kept_summary import OVER
from fastcifar.names import counted


def show_text(shown: dict[str, Any]) -> str:
    """What `document` gives, as text."""
    spec, counts = shown["spec"], shown["trials"]
    pairs = [
        ("experiment", shown["path"]),
        ("status", shown["status"]),
        ("started", clock(shown["started"]) or "-"),
        ("trials", ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "none"),
        ("trial", _what(spec)),
        *([("loaded", f"from {shown['untrusted']}; resume needs --trust")] if shown["untrusted"] else []),
        (
            "tuner",
            _algorithm(spec["tuner"]) + (f", assessor {_algorithm(spec['assessor'])}" if spec["assessor"] else ""),
        ),
        ("goal", _goal(spec)),
        ("limits", _limits(spec)),
    ]
    lines = [pairs_text(pairs), "space", *(f"  {name}  {json.dumps(entry)}" for name, entry in spec["space"].items())]
    return "\n".join([*lines, "", *_summary(shown)])


def _summary(shown: dict[str, Any]) -> list[str]:
    """What the last session has found; before its end, or without a result, the best trial so far."""
    spec, summary, best = shown["spec"], shown["summary"], shown["best"]
    if summary is None or shown["status"] not in OVER:
        if best is None:
            return ["no result yet"]
        return [f"best so far: {result_text(best['value'], spec)} (one trial, {best['number']})  {params_of(best)}"]
    lines = [f"ended: {summary['ended']}"] if summary["ended"] else []
    lines.append(found_text(spec, summary))
    if summary["best"] is not None:
        lines.append(where_text(spec, summary, Path(shown["path"]) / "best.json"))
    return lines


def _goal(spec: dict[str, Any]) -> str:
    what = "result" if spec["metric"] == "default" else spec["metric"]
    if percents(spec):
        what = "accuracy on the holdout"
    return f"{'highest' if spec['maximize'] else 'lowest'} {what}, seed {spec['seed']}"


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
