"""Makes folders with unique names, and writes files complete or not at all."""

import secrets
import time
from pathlib import Path

from fastcifar.names import for_a_folder

TRIES = 100  # at a name that is not there yet


def new_folder(out: Path, name: str) -> Path:
    """Make a new folder under `out`. Raises OSError.

    Its name is date, time, `name` (cut if it is long) and four random characters.
    """
    out.mkdir(parents=True, exist_ok=True)
    for left in reversed(range(TRIES)):
        path = out / f"{time.strftime('%Y%m%d-%H%M%S')}-{for_a_folder(name)}-{secrets.token_hex(2)}"
        try:
            path.mkdir()
            return path
        except FileExistsError:
            if not left:
                raise
    raise AssertionError


def may_write(path: Path, force: bool) -> None:
    """Raise FileExistsError if the file exists, unless `force` allows to replace it."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; a file's name is needed")
    if path.is_file() and not force:
        raise FileExistsError(f"{path} exists already; --force replaces it")


def write_text(path: Path, text: str) -> None:
    """Write a text file. An existing file stays until the new one is complete."""
    if path.exists() and not path.is_file():  # a pipe, or a device
        path.write_text(text, encoding="utf-8")
        return
    unfinished = path.with_name(path.name + ".new")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
