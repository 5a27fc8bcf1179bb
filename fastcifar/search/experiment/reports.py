"""What a trial has written to its `reports.jsonl`, read while it grows."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastcifar.search.experiment.engine import result_of

_NOTHING = object()


class Reports:
    """The reports of one trial. The first final result counts, and nothing after it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._final: Any = _NOTHING

    def read(self, ended: bool = False) -> list[float]:
        """The intermediate results since the last call, NaN for one that is no finite number.

        ended: nobody writes any more, so that a last line without its end is whole.
        """
        values = []
        for line in self._lines(ended):
            if self._final is not _NOTHING:
                break
            kind, value = _parse(line)
            if kind == "final":
                self._final = value
            else:
                values.append(_number(value))
        return values

    def final(self) -> tuple[float, dict[str, Any]] | None:
        """The final result and its other entries, None while there is none. Raises ValueError where it is no result."""
        return None if self._final is _NOTHING else result_of(self._final)

    def _lines(self, ended: bool) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                text = file.read()
        except OSError:  # not there yet, or removed by the trial
            return
        if not ended:
            text = text[: text.rfind(b"\n") + 1]
        self._offset += len(text)
        yield from filter(bytes.strip, text.split(b"\n"))


def _parse(line: bytes) -> tuple[str, Any]:
    """A line as (type, value); what is no report at all is an intermediate one without a value."""
    with suppress(ValueError, RecursionError):
        report = json.loads(line)
        if isinstance(report, dict):
            return str(report.get("type")), report.get("value")
    return "intermediate", None


def _number(value: Any) -> float:
    try:
        return result_of(value)[0]
    except (ValueError, OverflowError):
        return float("nan")
