"""An experiment in one .tar.gz, and back."""

import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from fastcifar.experiment.store.foreign import check_database, check_spec
from fastcifar.experiment.store.listing import overview
from fastcifar.experiment.store.store import FILE, Store, StoreError, locked
from fastcifar.experiment.store.trust import mark
from fastcifar.experiment.store.unpack import unpack
from fastcifar.lock import LOCK
from fastcifar.making import may_write

ENDINGS = (".tar.gz", ".tgz")
LEFT = (LOCK, f"{FILE}-shm")  # files of a process that is at work


def save(folder: Path, path: Path, force: bool = False) -> None:
    """Pack an experiment that does not run. force: replace a file that is there.

    Raises StoreError where it runs, ValueError for a name of another ending, FileExistsError.
    """
    if not path.name.lower().endswith(ENDINGS):
        raise ValueError(f"{path}: an experiment is saved as {' or '.join(ENDINGS)}")
    may_write(path, force)
    name = folder.resolve().name
    temporary = path.with_name(path.name + ".new")
    with locked(folder):
        Store.open(folder).close()  # moves the write-ahead log into the file
        try:
            with tarfile.open(temporary, "w:gz") as archive:
                _pack(archive, folder, name)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _pack(archive: tarfile.TarFile, folder: Path, name: str) -> None:
    """Add a folder's files and folders. Links and devices, which `load` refuses, are left out with a warning."""
    left = []
    for path in [folder, *sorted(folder.rglob("*"))]:
        place = Path(name) / path.relative_to(folder)
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            left.append(str(path))
        elif path.is_dir():
            archive.addfile(archive.gettarinfo(path, str(place)))
        elif path.name not in LEFT:
            with path.open("rb") as file:
                entry = archive.gettarinfo(arcname=str(place), fileobj=file)
                if entry.islnk():  # another name of a file that is there already
                    entry.type, entry.linkname, entry.size = tarfile.REGTYPE, "", path.stat().st_size
                archive.addfile(entry, file)
    if left:
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        print(f"fastcifar: no plain files, left out: {left[0]}{more}", file=sys.stderr)


def load(path: Path, out: Path) -> Path:
    """Unpack what `save` made into a new folder under `out`; return it. Nothing is written outside of it.

    The experiment is marked as loaded: its code runs only when the user trusts it.

    Raises StoreError for any other file, and for a database with more in it than an experiment's; FileExistsError.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write to the output folder {out}: {error.strerror}") from None
    with tempfile.TemporaryDirectory(dir=out, prefix=".load-") as temporary:
        unpack(path, Path(temporary))
        found = list(Path(temporary).iterdir())
        if len(found) != 1 or not (found[0] / FILE).is_file():
            raise StoreError(f"{path} is no archive of an experiment: it has no folder with {FILE}")
        made, folder = found[0], out / found[0].name
        if not made.name.isprintable():
            raise StoreError(f"{path} is no archive of an experiment: {made.name!r} cannot be shown")
        if folder.exists():
            raise FileExistsError(f"{folder} is there already")
        _remove(made, LEFT)
        _check(path, made)
        with closing(Store.open(made)) as store:
            mark(store, path.name)
        _remove(made, (f"{FILE}-shm", f"{FILE}-wal"))  # of the check, which has moved the log into the file
        made.rename(folder)
    return folder


def _remove(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


def _check(path: Path, folder: Path) -> None:
    """Raise StoreError, which names the archive, where the unpacked folder is no experiment."""
    if (folder / f"{FILE}-journal").exists():  # SQLite would write what it says, and remove a file that it names
        raise StoreError(f"{path} is no archive of an experiment: it has a {FILE}-journal")
    try:
        check_database(folder)
        with closing(Store.read(folder)) as store:
            check_spec(store.meta().get("spec"))
        overview(folder)
    except (StoreError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: {str(error).replace(str(folder), folder.name)}") from error


def delete(folder: Path) -> None:
    """Remove an experiment that does not run, with all that is in its folder. Raises StoreError where it runs."""
    folder = folder.resolve()
    with locked(folder):
        shutil.rmtree(folder)
