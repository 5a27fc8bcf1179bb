"""A folder that one process works in: its lock, and whether a file that the process uses is still there."""

import fcntl
import os
import time
from pathlib import Path
from typing import IO

LOCK = "lock"  # the name of the file that is locked
PATIENCE = 0.5  # seconds: one that only looks holds the lock for a moment, and workers of a killed driver end
STEP = 0.01  # seconds between two attempts


def take(folder: Path) -> IO[str] | None:
    """Lock a folder for this process, until the file that is returned is closed; None where another holds it.

    Raises OSError where the folder cannot be written to.
    """
    file = (folder / LOCK).open("w", encoding="utf-8")
    until = time.monotonic() + PATIENCE
    while not _locked(file, fcntl.LOCK_EX):
        if time.monotonic() > until:
            file.close()
            return None
        time.sleep(STEP)
    return file


def in_use(folder: Path) -> bool:
    """Whether a process holds the folder's lock."""
    try:
        with (folder / LOCK).open(encoding="utf-8") as file:
            return not _locked(file, fcntl.LOCK_SH)
    except OSError:  # no process has locked it, or this one may not know
        return False


class Watched:
    """A file in a folder that is in use; another in its place is noticed."""

    def __init__(self, path: Path, opened: IO[str] | None = None) -> None:
        """path: the file. opened: the same file, where this process has it open: nothing else gets its number then."""
        self.path = path
        self._first = _identity(path if opened is None else opened.fileno())

    def check(self, error: type[Exception]) -> None:
        """Raise `error` where the file is no longer at its path: the folder was deleted, moved or replaced."""
        if _identity(self.path) != self._first:
            folder = self.path.parent
            raise error(f"{folder} was deleted or moved while it was in use; nothing more is kept")


def _locked(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def _identity(file: int | Path) -> tuple[int, int] | None:
    """Device and inode, which tell a file from another in its place; None where there is none."""
    try:
        status = os.stat(file)  # noqa: PTH116  of an open file, too
    except OSError:
        return None
    return status.st_dev, status.st_ino
