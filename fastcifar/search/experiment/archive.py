"""An experiment in one .tar.gz, and back."""

import shutil
import tarfile
import tempfile
from pathlib import Path

from fastcifar.search.experiment.files import may_write
from fastcifar.search.experiment.listing import overview
from fastcifar.search.experiment.store import FILE, Store, StoreError, locked

ENDINGS = (".tar.gz", ".tgz")
LEFT = ("lock", f"{FILE}-shm")  # are of a process


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
        Store.open(folder).close()  # brings what is in the write-ahead log into the file
        try:
            with tarfile.open(temporary, "w:gz") as archive:
                archive.add(folder, name, filter=lambda entry: None if Path(entry.name).name in LEFT else entry)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def load(path: Path, out: Path) -> Path:
    """Unpack what `save` made into a new folder under `out`; return it. Nothing is written outside of it.

    Raises StoreError for what is no such file, FileExistsError.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".load-") as temporary:
        try:
            with tarfile.open(path, "r:gz") as archive:
                archive.extractall(temporary, filter="data")
        except (tarfile.TarError, EOFError) as error:
            raise StoreError(f"{path} is no archive of an experiment: {error}") from error
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror or error}") from error
        found = list(Path(temporary).iterdir())
        if len(found) != 1 or not (found[0] / FILE).is_file():
            raise StoreError(f"{path} is no archive of an experiment: it has no folder with {FILE}")
        overview(found[0])  # raises for a file that cannot be read
        for name in LEFT:
            (found[0] / name).unlink(missing_ok=True)
        folder = out / found[0].name
        if folder.exists():
            raise FileExistsError(f"{folder} is there already")
        found[0].rename(folder)
    return folder


def delete(folder: Path) -> None:
    """Remove an experiment that does not run, with all that is in its folder. Raises StoreError where it runs."""
    folder = folder.resolve()
    with locked(folder):
        shutil.rmtree(folder)
