"""Files that are written for the user: never over another one unless that is wanted, and whole or not at all."""

from pathlib import Path


def may_write(path: Path, force: bool) -> None:
    """Raise FileExistsError where a file is there already, unless `force` says that it is to be replaced."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; a file's name is needed")
    if path.is_file() and not force:
        raise FileExistsError(f"{path} is there already; --force replaces it")


def write_text(path: Path, text: str) -> None:
    """Write a text file; what is there stays as it is until the new one is whole."""
    if path.exists() and not path.is_file():  # a pipe, or a device
        path.write_text(text, encoding="utf-8")
        return
    unfinished = path.with_name(path.name + ".new")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
