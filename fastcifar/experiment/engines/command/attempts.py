"""A folder for each attempt at a trial, so that what an earlier one still writes is nobody's.

The first has the trial's own folder, `trials/3`, the next `trials/3.2`, `trials/3.3`; the last one is kept.
"""

import shutil
from pathlib import Path


def attempts(folder: Path) -> list[Path]:
    """The folders that are there of the attempts at a trial, by their order."""
    if not folder.parent.is_dir():
        return []
    later = [path for path in folder.parent.iterdir() if path.stem == folder.name and path.suffix[1:].isdecimal()]
    first = [folder] if folder.is_dir() else []
    return first + sorted(later, key=_number)


def latest(folder: Path) -> Path:
    """The folder of a trial's last attempt; the trial's own where there was none."""
    return (attempts(folder) or [folder])[-1]


def following(folder: Path) -> Path:
    """The folder of the attempt after those that are there."""
    there = attempts(folder)
    if not there:
        return folder
    return folder.with_name(f"{folder.name}.{1 + (1 if there[-1] == folder else _number(there[-1]))}")


def begin(attempt: Path, earlier: list[Path]) -> None:
    """Make the folder of an attempt, and remove the others. What cannot be removed is left, and does no harm."""
    for folder in earlier:
        shutil.rmtree(folder, ignore_errors=True)
    attempt.mkdir(parents=True)
    (attempt / "output").mkdir()


def _number(path: Path) -> int:
    return int(path.suffix[1:])
