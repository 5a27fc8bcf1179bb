"""Writes files for the user: complete or not at all, and over an existing file only on request."""

from pathlib import Path


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
