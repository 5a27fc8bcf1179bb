"""Ends a search whose first trials all fail."""

from collections.abc import Iterable

from fastcifar.experiment.store.store import FAILED, FINISHED, RUNNING, STOPPED, TrialRow
from fastcifar.names import counted

MAX_FAILURES = 20  # by default
SHOWN = 200  # characters of a message


class Failures:
    """Counts failures of this session, until a trial has a result, in this session or an earlier one."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._works = False
        self._message = ""

    def remember(self, rows: Iterable[TrialRow]) -> None:
        """Take in the trials of earlier sessions. Their failures do not count: the user may have fixed the cause."""
        self._works = any(row.kind == "search" and row.state in (FINISHED, STOPPED) for row in rows)

    def take(self, row: TrialRow, on_purpose: bool) -> None:
        """Take in the end of a trial; a trial that was killed on purpose does not count."""
        assert row.state != RUNNING
        if row.state == FAILED and not on_purpose:
            self._in_a_row, self._message = self._in_a_row + 1, row.message
        elif row.kind == "search" and row.state != FAILED:
            self._works = True

    def verdict(self, most: int) -> str:
        """Why the search ends after `most` failures (0: never); '' if it continues."""
        if not most or self._works or self._in_a_row < most:
            return ""
        message = " ".join(self._message.split())
        message = message if len(message) <= SHOWN else message[: SHOWN - 3] + "..."
        failed = counted(self._in_a_row, "trial has failed", "trials have failed in a row")
        return f"{failed} and none has had a result (max failures: {most}); the last one: {message}"
