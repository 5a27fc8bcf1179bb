"""Reads and writes the texts in a run's folder; a crash loses nothing that was announced. Without torch.

run.json    what made the result, its state, its times
epochs.csv  one row per epoch, on disk before it is announced
note.txt    what the user has written about the run; see `listing`
"""

import csv
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from fastcifar.errors import Failure
from fastcifar.lock import LOCK, Watched, in_use, take
from fastcifar.making import new_folder
from fastcifar.names import short, shown
from fastcifar.reading import UnreadableError, parse_json, read_text
from fastcifar.train.table import COLUMNS, EpochRow
from fastcifar.typed import is_of

SCHEMA = 1  # version of run.json and of supernet.json


class RecordError(Failure, ValueError):
    """A run's folder that cannot be written, or read back."""


class Folder:
    """One run's folder. Writers raise RecordError with the path where the disk refuses."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: Watched | None = None  # the lock, while this process holds it

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process. Raises RecordError where another holds it."""
        with explained(self.path):
            file = take(self.path)
        if file is None:
            raise RecordError(f"{self.path}: another process is at work on this run")
        with file:
            self._held = Watched(self.path / LOCK, file)
            try:
                yield
            finally:
                self._held = None

    def check(self) -> None:
        """Raise RecordError where the folder that is held is no longer the one at its path."""
        if self._held is not None:
            self._held.check(RecordError)

    def in_use(self) -> bool:
        """Whether a process holds the run."""
        return in_use(self.path)

    @classmethod
    def create(cls, out: Path, name: str, needed_bytes: int) -> Self:
        """Make a new folder under `out`. Raises RecordError where it cannot be written, or is too full."""
        try:
            path = new_folder(out, name)
            (path / "epochs.csv").write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
            free = shutil.disk_usage(path).free
        except OSError as error:
            raise RecordError(f"cannot write to the output folder {out}: {error.strerror}") from error
        if free < needed_bytes:
            shutil.rmtree(path)
            raise RecordError(
                f"the output folder {out} has {free / 1e6:.1f} MB free, the run needs {needed_bytes / 1e6:.1f} MB"
            )
        return cls(path)

    @property
    def id(self) -> str:
        return self.path.name

    def write_json(self, document: Mapping[str, Any], name: str = "run.json") -> None:
        """Replace run.json, or the file of that name. Raises RecordError where the folder has gone."""
        self.check()
        with replacing(self.path / name) as temporary:
            temporary.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    def read_json(self, name: str = "run.json") -> dict[str, Any]:
        """The document in run.json, or in the file of that name. Raises RecordError, also for one of a newer schema."""
        path = self.path / name
        try:
            document = parse_json(read_text(path), str(path))
        except OSError as error:
            kind = "run" if name == "run.json" else path.stem
            raise RecordError(f"{self.path} is no {kind}: {name} cannot be read ({error.strerror})") from error
        except UnreadableError as error:
            raise RecordError(str(error)) from None
        if not isinstance(document, dict) or "recipe" not in document:
            raise RecordError(f"{path}: not the record of a run")
        schema = document.get("schema", SCHEMA)
        if not is_of(schema, int) or not 1 <= schema <= SCHEMA:
            why = f"its schema is {short(schema)}, this one knows {SCHEMA}"
            raise RecordError(f"{path}: made by another version of fastcifar ({why}); use the version that made it")
        return document

    def write_epochs(self, rows: list[EpochRow]) -> None:
        """Replace epochs.csv, and wait until it is on disk. Raises RecordError where the folder has gone."""
        self.check()
        with replacing(self.path / "epochs.csv") as temporary:
            lines = [",".join(COLUMNS), *(",".join(repr(value) for value in row.values()) for row in rows)]
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def read_epochs(self) -> list[EpochRow]:
        """The rows of epochs.csv. Raises RecordError where it is not whole."""
        path = self.path / "epochs.csv"
        rows = []
        try:
            with path.open(newline="", encoding="utf-8") as file:
                lines = csv.DictReader(file)
                if tuple(lines.fieldnames or ()) != COLUMNS:
                    raise ValueError("other columns")
                for line in lines:
                    values = {name: float(line[name]) for name in COLUMNS if name != "epoch_time"}
                    rows.append(EpochRow(epoch=int(values.pop("epoch")), **values))
        except (OSError, csv.Error, KeyError, TypeError, ValueError, OverflowError) as error:
            raise RecordError(f"{path}: not a whole table of epochs ({shown(repr(error), 200)})") from None
        return rows

    def write_text(self, text: str, name: str) -> None:
        """Replace the file of that name, UTF-8."""
        with replacing(self.path / name) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="replace")

    def remove(self, name: str) -> None:
        """Remove a file that is no longer needed."""
        with explained(self.path):
            (self.path / name).unlink(missing_ok=True)

    def delete(self) -> None:
        """Remove the folder with all that is in it. Raises RecordError where another process is at work on it."""
        target = self.path.resolve()
        with self.locked(), explained(self.path):
            shutil.rmtree(target)
            if self.path.is_symlink():
                self.path.unlink()


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the disk's errors into a RecordError that names the path."""
    try:
        yield
    except OSError as error:
        raise RecordError(f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Hand out a temporary path beside `path`, and put it in its place once it is on disk."""
    temporary = path.with_name(path.name + ".part")
    with explained(path):
        try:
            yield temporary
            _wait_for_disk(temporary)
            temporary.replace(path)
            _wait_for_disk(path.parent)  # the new name, too
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _wait_for_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
