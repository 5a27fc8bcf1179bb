"""Reads a trial's `reports.jsonl` while it grows, within limits."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastcifar.experiment.engines.base import result_of

TYPES = ("intermediate", "final")
SHOWN = 80  # characters of a line that is wrong
LINE_BYTES = 2**20  # of the longest line, and of one read
FILE_BYTES = 2**26  # of all reports of a trial
LINES = 1000  # per read: each is a row in the store
_NOTHING = object()


class Reports:
    """The reports of one trial. The first final result counts; later reports are ignored.

    wrong: place and content of the first invalid line; '' if all lines are reports.
    excess: why the file is read no further, which ends the trial; '' within the limits.
    more: whether the last `read` left something for the next.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._final: Any = _NOTHING
        self._line = 0
        self.wrong = self.excess = ""
        self.more = False

    def read(self, ended: bool = False) -> list[float]:
        """The next intermediate results; NaN for one that is not a finite number or not a report.

        ended: the writer has ended, so a last line without a line end is complete.
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
        """The final result and its other entries; None while there is none. Raises ValueError if it is invalid."""
        return None if self._final is _NOTHING else result_of(self._final)

    def _lines(self, ended: bool) -> Iterator[bytes]:
        self.more = False
        if self._final is not _NOTHING or self.excess:
            return
        text, size = self._text()
        lines = text.splitlines(keepends=True)
        rest = self._offset + len(text) < size
        if lines and not lines[-1].endswith(b"\n") and (rest or not ended):
            if len(lines[-1]) == LINE_BYTES:
                self.excess = f"{self._path.name}, line {self._line + 1}: longer than {LINE_BYTES:,} bytes"
            lines.pop()
        self.more = rest or len(lines) > LINES
        for line in lines[:LINES]:
            self._offset += len(line)
            self._line += 1
            if line.strip():
                yield line

    def _text(self) -> tuple[bytes, int]:
        """The next bytes of the file, and the file's size."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for its other end
        except OSError:  # not there yet, or removed by the trial
            return b"", 0
        with open(descriptor, "rb") as file:  # noqa: PTH123
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                self.excess = f"{self._path.name} is no regular file"
            elif status.st_size > FILE_BYTES:
                self.excess = f"{self._path.name}: more than {FILE_BYTES:,} bytes of reports"
            else:
                file.seek(self._offset)
                return file.read(LINE_BYTES), status.st_size
        return b"", 0


def _parse(line: bytes) -> tuple[str, Any]:
    """A line as (type, value). Raises ValueError for an invalid line."""
    try:
        report = json.loads(line)
    except (ValueError, RecursionError):
        report = None
    if isinstance(report, dict) and report.get("type") in TYPES and "value" in report:
        return report["type"], report["value"]
    shown = line[: 4 * SHOWN + 4].decode(errors="replace").strip()
    shown = shown if len(shown) <= SHOWN else shown[:SHOWN] + "..."
    raise ValueError(f'{{"type": "intermediate" or "final", "value": x}} is needed, not {shown}')


def _number(value: Any) -> float:
    try:
        return result_of(value)[0]
    except (ValueError, OverflowError):
        return float("nan")
