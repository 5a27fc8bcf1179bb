"""Functions for a trial program: they read its parameters and write its results, in files of `NNI_SYS_DIR`.

parameters.json  the parameters, an object
reports.jsonl    a line per report: {"type": "intermediate" or "final", "value": a number or a dict}

Without `NNI_SYS_DIR` the program runs standalone: no parameters, and results go to stderr.
"""

import functools
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastcifar.experiment.engines.base import result_of

STANDALONE = "STANDALONE"
_ended: set[str | None] = set()  # folders for which this process has reported a final result
_listener: Callable[[str, Any], None] | None = None


@contextmanager
def listening(listener: Callable[[str, Any], None]) -> Iterator[None]:
    """Pass reports of this process to a function of (`intermediate` or `final`, value), and write no file."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before


def get_next_parameter() -> dict[str, Any]:
    """The trial's parameters; {} with a warning outside an experiment."""
    folder = _folder()
    if folder is None:
        _warn_standalone()
        return {}
    parameters: dict[str, Any] = json.loads((Path(folder) / "parameters.json").read_text(encoding="utf-8"))
    return parameters


def report_intermediate_result(value: Any) -> None:
    """Report an intermediate result: a number (NaN included), or a dict with a number under 'default'.

    Raises ValueError for anything else.
    """
    _report("intermediate", value)


def report_final_result(value: Any) -> None:
    """Report the trial's result, once: a number, or a dict with a number under 'default' and further JSON values.

    Raises ValueError for anything else. A result that is NaN or infinite makes the trial a failure.
    """
    _report("final", value)


def get_experiment_id() -> str:
    return os.environ.get("NNI_EXP_ID", STANDALONE)


def get_trial_id() -> str:
    return os.environ.get("NNI_TRIAL_JOB_ID", STANDALONE)


def get_sequence_id() -> int:
    """The trial's number in the experiment, from 0."""
    return int(os.environ.get("NNI_TRIAL_SEQ_ID", 0))


def _folder() -> str | None:
    return os.environ.get("NNI_SYS_DIR")


def _report(kind: str, value: Any) -> None:
    plain = _plain(value)
    if _listener is not None:
        _listener(kind, plain)
        return
    folder = _folder()
    if folder in _ended:
        _warn(f"the trial has reported its final result; the {kind} result {plain} is ignored")
        return
    if kind == "final":
        _ended.add(folder)
    if folder is None:
        print(f"{kind} result: {json.dumps(plain)}", file=sys.stderr)
        return
    _append(Path(folder) / "reports.jsonl", json.dumps({"type": kind, "value": plain}) + "\n")


def _append(path: Path, line: str) -> None:
    """Append a line atomically; other processes of the trial may write at the same time."""
    data = line.encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        if os.write(descriptor, data) < len(data):
            raise OSError(f"{path}: the disk took only a part of the report")
    finally:
        os.close(descriptor)


def _plain(value: Any) -> Any:
    """A reported value as JSON; NaN and infinity are allowed. Raises ValueError if it is not a result."""
    try:
        plain = json.loads(json.dumps(dict(value) if isinstance(value, Mapping) else value, default=_without_type))
        number = plain.get("default") if isinstance(plain, dict) else plain
        if not (isinstance(number, float) and not math.isfinite(number)):
            result_of(plain)
    except (TypeError, OverflowError) as error:
        raise ValueError(
            f"a result is a number or a dict of JSON values with a number under 'default', not {value!r}: {error}"
        ) from None
    return plain


def _without_type(value: Any) -> Any:
    """A numpy or torch scalar as a number, an array as lists."""
    for method in ("item", "tolist"):
        if hasattr(value, method):
            try:
                return getattr(value, method)()
            except (ValueError, RuntimeError):  # `item` of more than one element
                continue
    raise TypeError(f"{type(value).__name__} is not JSON")


@functools.cache
def _warn_standalone() -> None:
    _warn("no experiment runs this program (NNI_SYS_DIR is not set): standalone, its parameters are {}")


def _warn(text: str) -> None:
    print(f"fastcifar: {text}", file=sys.stderr)
