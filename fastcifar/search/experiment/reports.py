"""What a trial has written to its `reports.jsonl`, read while it grows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastcifar.search.experiment.engine import result_of

TYPES = ("intermediate", "final")
SHOWN = 80  # characters of a line that is wrong
_NOTHING = object()


class Reports:
    """The reports of one trial. The first final result counts, and nothing after it.

    wrong: where and what the first line is that is no report; '' where all are.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._final: Any = _NOTHING
        self._line = 0
        self.wrong = ""

    def read(self, ended: bool = False) -> list[float]:
        """The intermediate results since the last call, NaN for one that is no finite number, or no report at all.

        ended: nobody writes any more, so that a last line without its end is whole.
        """
        values = []
        for line in self._lines(ended):
            if self._final is not _NOTHING:
                break
            try:
                kind, value = _parse(line)
            except ValueError as error:
                kind, value = "intermediate", None
                self.wrong = self.wrong or f"{self._path.name}, line {self._line}: {error}"
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
        for line in text.splitlines():
            self._line += 1
            if line.strip():
                yield line


def _parse(line: bytes) -> tuple[str, Any]:
    """A line as (type, value). Raises ValueError that says what is wrong with it."""
    try:
        report = json.loads(line)
    except (ValueError, RecursionError):
        report = None
    if isinstance(report, dict) and report.get("type") in TYPES and "value" in report:
        return report["type"], report["value"]
    shown = line.decode(errors="replace").strip()
    shown = shown if len(shown) <= SHOWN else shown[:SHOWN] + "..."
    raise ValueError(f'{{"type": "intermediate" or "final", "value": x}} is needed, not {shown}')


def _number(value: Any) -> float:
    try:
        return result_of(value)[0]
    except (ValueError, OverflowError):
        return float("nan")
