"""Requests of other processes to a running experiment: lines of JSON in a file that its driver reads."""

import json
import os
import warnings
from pathlib import Path
from typing import Any

from fastcifar.errors import Notice
from fastcifar.experiment.gate import text as text_of
from fastcifar.names import short, shown
from fastcifar.typed import is_of

FILE = "requests.jsonl"
READ_BYTES = 1 << 20  # at once
LARGEST = 2**63
KINDS: dict[str, Any] = {"stop": bool, "now": bool, "kill": int, "update": dict}
LIMITS: dict[str, Any] = {"trials": int, "seconds": float, "concurrency": int, "max_failures": int}  # that can change
MAY_BE_0 = ("max_failures",)


def ask(folder: Path, request: dict[str, Any]) -> None:
    """Ask the driver of the experiment in `folder`.

    {"stop": true}: begin no further trial; {"stop": true, "now": true}: leave those that run, too, to a resume.
    {"kill": number}: end a trial. {"update": {limit: value}}.
    """
    descriptor = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    with os.fdopen(descriptor, "ab", buffering=0) as file:
        file.write(json.dumps(request).encode() + b"\n")


class Requests:
    """The driver's side: the requests since it began."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.offset = self.path.stat().st_size if self.path.exists() else 0

    def new(self) -> list[dict[str, Any]]:
        """The requests since the last call."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                text = file.read(READ_BYTES)
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self.offset += len(text) if not whole and len(text) == READ_BYTES else len(whole)  # a line without an end
        requests = []
        for line in whole.splitlines():
            try:
                requests.append(_checked(json.loads(line)))
            except (ValueError, RecursionError) as error:  # also what is neither JSON nor UTF-8
                warnings.warn(f"{self.path}: a request is passed over: {text_of(error)}", Notice, stacklevel=2)
        return requests


def _checked(request: Any) -> dict[str, Any]:
    """The request, checked. Raises ValueError for anything else."""
    if not isinstance(request, dict):
        raise ValueError(f"an object is needed, not {short(request)}")
    for name, value in request.items():
        if name not in KINDS:
            raise ValueError(f"{shown(name)} is nothing that can be asked for; {', '.join(KINDS)} are")
        if not is_of(value, KINDS[name]):
            raise ValueError(f"{name} cannot be {short(value)}")
    for name, value in request.get("update", {}).items():
        kind = LIMITS.get(name)
        known = kind is not None and is_of(value, kind)
        if not known or not (0 < value < LARGEST or (value == 0 and name in MAY_BE_0)):
            raise ValueError(f"update: {shown(name)} cannot be {short(value)}")
    return request
