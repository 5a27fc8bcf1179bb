"""Rows of a store, damaged or not: values that can be shown are, and a message names the others."""

import json
import math
import re
from typing import Any

from fastcifar.experiment.gate import MAX_DEPTH, GateError, joined, metrics_of, plain, text
from fastcifar.names import short

STATES = ("running", "finished", "stopped", "failed")
LATEST = 1e11  # seconds since 1970, which can be shown as a date
HARMLESS = 50_000  # characters of JSON that are within the gate's limits on values and bytes
BEYOND = re.compile(r"(?<![0-9])[0-9]{300}")  # digits of a whole number that may be beyond floats
_decode = json.JSONDecoder().raw_decode


def trial_values(found: dict[str, Any]) -> dict[str, Any]:
    """The columns of a trial that can be shown and exported; `message` names those that cannot."""
    params, bad_params = _object(found, "params")
    metrics, bad_metrics = _object(found, "metrics")
    state, bad_state = found["state"], ""
    if state not in STATES:
        state, bad_state = "failed", f"its state is {short(state)}"
    value, seed = finite(found["value"]), found["seed"]
    bad_value = f"its value is {short(found['value'])}" if value is None and found["value"] is not None else ""
    if bad_value and state == "finished":
        state = "failed"
    bad = [one for one in (bad_params, bad_metrics, bad_state, bad_value) if one]
    return {
        "number": found["number"],
        "kind": found["kind"] if isinstance(found["kind"], str) else text(found["kind"]),
        "params": params,
        "seed": seed if isinstance(seed, int) else 0,
        "state": state,
        "value": value,
        "metrics": metrics,
        "message": _text(found["message"]) if not bad else joined(_text(found["message"]), *bad),
        "started": time_of(found["started"]) or 0.0,
        "ended": time_of(found["ended"]),
    }


def finite(value: Any) -> float | None:
    """A number of SQLite or JSON that is finite; None for anything else."""
    if type(value) is float:
        return value if math.isfinite(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def time_of(value: Any) -> float | None:
    """Seconds since 1970 that can be shown as a date; None for anything else."""
    number = finite(value)
    return number if number is not None and 0 <= number < LATEST else None


def _text(value: Any) -> str:
    return text(value) if value is not None and value != "" else ""


def _object(found: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """The JSON object in a column, and what is wrong with it."""
    content = found[name]
    try:
        values, end = _decode(content)  # `loads` would first look for space
        values = values if end == len(content) else json.loads(content)
    except (TypeError, ValueError, RecursionError):
        return {}, f"its {name} are no JSON: {short(content)}"
    if not isinstance(values, dict):
        return {}, f"its {name} are no object: {short(content)}"
    if _harmless(content):
        return values, ""
    if name == "metrics":
        return metrics_of(values)
    try:
        return plain(values), ""
    except (GateError, RecursionError) as error:
        return {}, f"its {name}: {error}"


def _harmless(content: str) -> bool:
    """Whether JSON text is so short and plain that the gate lets all of it pass as it is."""
    return (
        len(content) <= HARMLESS
        and "\\u" not in content  # no half of a surrogate pair
        and content.count("{") + content.count("[") <= MAX_DEPTH
        and (len(content) < 300 or BEYOND.search(content) is None)
    )
