"""What other processes ask of a running experiment: lines of JSON in a file that its driver reads."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

FILE = "requests.jsonl"


def ask(folder: Path, request: dict[str, Any]) -> None:
    """Ask the driver of the experiment in `folder`.

    {"stop": true}: begin no further trial; {"stop": true, "now": true}: leave those that run, too, to a resume.
    {"kill": number}: end a trial. {"update": {limit: value}}.
    """
    descriptor = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    with os.fdopen(descriptor, "ab", buffering=0) as file:
        file.write(json.dumps(request).encode() + b"\n")


class Requests:
    """The driver's end: what was asked since it began."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.offset = self.path.stat().st_size if self.path.exists() else 0

    def new(self) -> list[dict[str, Any]]:
        """What was asked since the last call."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                text = file.read()
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self.offset += len(whole)
        requests = []
        for line in whole.splitlines():
            with suppress(ValueError):  # neither JSON nor UTF-8
                requests.append(json.loads(line))
        return [request for request in requests if isinstance(request, dict)]
