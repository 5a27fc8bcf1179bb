"""Rows of figures in a file of JSON lines, one a run: added as it ends, and read again where a program goes on."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any


def read(path: Path) -> list[dict[str, Any]]:
    """The rows that are there, but for a line that a kill has cut off; none where there is no file."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else []:
        with suppress(json.JSONDecodeError):
            rows.append(json.loads(line))
    return rows


def append(path: Path, row: dict[str, Any]) -> None:
    """Add a row, on a line of its own whatever is there."""
    whole = not path.exists() or path.read_bytes().endswith(b"\n")
    with path.open("a") as file:
        file.write(("" if whole else "\n") + json.dumps(row) + "\n")
