"""Where a dataset may be: the searched folders, and the four names that may occur in each."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fastcifar.data.dataset import DataError
from fastcifar.data.published.layouts import Form, Layout

DATA_VARIABLE = "FASTCIFAR_DATA"


@dataclass(frozen=True, kw_only=True)
class Place:
    """One path at which a dataset was looked for."""

    path: Path
    form: Form
    packed: bool  # a tar.gz, else a folder
    found: bool


def data_root(root: str | Path | None = None) -> Path:
    """The folder to look in: `root`, else FASTCIFAR_DATA, else the user's cache folder. Raises `DataError`."""
    given = root if root is not None else os.environ.get(DATA_VARIABLE) or None
    try:
        return Path(given).expanduser().absolute() if given is not None else cache_folder()
    except (RuntimeError, OSError) as error:  # no home folder, no current folder
        raise DataError(f"no folder to look for data in: {error}; name one by --data-dir or {DATA_VARIABLE}") from None


def cache_folder() -> Path:
    """This program's cache folder, by the XDG standard. Raises RuntimeError if the user has no home folder."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or "")
    if not base.is_absolute():  # the XDG standard says to ignore a relative one
        base = Path.home() / ".cache"
    return base / "fastcifar"


def places(layout: Layout, root: Path) -> tuple[Place, ...]:
    """Every path in `root` where the dataset may be, in order of preference: folders, then archives.

    `root` may itself be the folder or the archive. Raises `DataError` if `root` cannot be listed.
    """
    try:
        return tuple(_places(layout, root))
    except OSError as error:
        raise DataError(f"{root}: cannot be looked into ({error.strerror})") from None


def _places(layout: Layout, root: Path) -> Iterator[Place]:
    for form in layout.forms:
        path = root if _is_folder_of(root, form) else root / form.folder
        yield Place(path=path, form=form, packed=False, found=path.is_dir())
    for form in layout.forms:
        name = form.archive.file_name
        path = root if root.name == name and root.is_file() else root / name
        yield Place(path=path, form=form, packed=True, found=path.is_file())


def _is_folder_of(root: Path, form: Form) -> bool:
    if root.name == form.folder:
        return root.is_dir()
    return (root / form.train_files[0]).is_file() and (root / form.test_file).is_file()
