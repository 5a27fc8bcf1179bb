"""A separate folder for each attempt at a trial, so that late writes of an earlier attempt do not count.

The first attempt has the trial's own folder, `trials/3`, the next `trials/3.2`, `trials/3.3`. Only the last is kept.
"""

import shutil
from pathlib import Path


def attempts(folder: Path) -> list[Path]:
    """The existing folders of a trial's attempts, in order."""
    if not folder.parent.is_dir():
        return []
    later = [path for path in folder.parent.iterdir() if path.stem == folder.name and path.suffix[1:].isdecimal()]
    first = [folder] if folder.is_dir() else []
    return first + sorted(later, key=_number)


def latest(folder: Path) -> Path:
    """The folder of a trial's last attempt; the trial's own folder if there was none."""
    return (attempts(folder) or [folder])[-1]


def following(folder: Path) -> Path:
    """The folder of the next attempt."""
    there = attempts(folder)
    if not there:
        return folder
    return folder.with_name(f"{folder.name}.{1 + (1 if there[-1] == folder else _number(there[-1]))}")


def begin(attempt: Path, earlier: list[Path]) -> None:
    """Create the folder of an attempt, and remove the others. A folder that cannot be removed does no harm."""
    for folder in earlier:
        shutil.rmtree(folder, ignore_errors=True)
    attempt.mkdir(parents=True)
    (attempt / "output").mkdir()


def _number(path: Path) -> int:
    return int(path.suffix[1:])
