"""The folder of a run: what is on disk, and how it gets there so that a crash loses nothing announced.

run.json            what made the result, its state, its times
epochs.csv          one row per epoch, on disk before it is announced
weights.safetensors the final weights and batch-norm statistics
checkpoint.safetensors  weights, velocities and place, to resume from
network.dot, network.svg  the drawing
"""

import csv
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fastcifar.errors import Failure
from fastcifar.net import Network, draw
from fastcifar.train.table import COLUMNS, EpochRow


class RecordError(Failure, ValueError):
    """A run's folder that cannot be written, or read back."""


class RunFolder:
    """One run's folder. Writers raise RecordError with the path where the disk refuses."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def lock(self) -> None:
        """Hold the run for this process until it ends. Raises RecordError where another process holds it."""
        with _explained(self.path):
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                raise RecordError(f"{self.path}: another process is at work on this run") from None
        self._lock = descriptor

    def unlock(self) -> None:
        """Let the run go."""
        if self._lock is not None:
            (self.path / "lock").unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def in_use(self) -> bool:
        """Whether a process holds the run."""
        try:
            with (self.path / "lock").open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    @classmethod
    def create(cls, out: Path, name: str, needed_bytes: int) -> "RunFolder":
        """Make a new folder under `out` and see that it can be written and has room for `needed_bytes`."""
        stamp = time.strftime("%Y%m%d-%H%M%S")
        path = out / f"{stamp}-{name}-{secrets.token_hex(2)}"
        try:
            path.mkdir(parents=True)
            (path / "epochs.csv").write_text(",".join(COLUMNS) + "\n")
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

    def write_json(self, document: Mapping[str, Any]) -> None:
        """Replace run.json."""
        with _replacing(self.path / "run.json") as temporary:
            temporary.write_text(json.dumps(document, indent=2) + "\n")

    def read_json(self) -> dict[str, Any]:
        """The document in run.json."""
        path = self.path / "run.json"
        try:
            document = json.loads(path.read_text())
        except OSError as error:
            raise RecordError(f"{self.path} is no run: {path.name} cannot be read ({error.strerror})") from error
        except json.JSONDecodeError as error:
            raise RecordError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from None
        if not isinstance(document, dict) or "recipe" not in document:
            raise RecordError(f"{path}: not the record of a run")
        return document

    def append_epoch(self, row: EpochRow) -> None:
        """Add a row to epochs.csv and wait until it is on disk."""
        with _explained(self.path), (self.path / "epochs.csv").open("a", newline="") as file:
            file.write(",".join(repr(value) for value in row.values()) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def read_epochs(self) -> list[EpochRow]:
        """The rows of epochs.csv; a last line that was cut short by a crash is left out."""
        rows = []
        with (self.path / "epochs.csv").open(newline="") as file:
            for line in csv.DictReader(file):
                try:
                    values = {name: float(line[name]) for name in COLUMNS}
                except (TypeError, ValueError):
                    break
                values.pop("epoch_time")
                rows.append(EpochRow(epoch=int(values.pop("epoch")), **values))
        return rows

    def keep_epochs(self, rows: list[EpochRow]) -> None:
        """Replace epochs.csv by `rows`."""
        with _replacing(self.path / "epochs.csv") as temporary:
            lines = [",".join(COLUMNS), *(",".join(repr(value) for value in row.values()) for row in rows)]
            temporary.write_text("\n".join(lines) + "\n")

    def save_tensors(self, name: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
        """Replace `name`, a safetensors file."""
        with _replacing(self.path / name) as temporary:
            save_file({key: value.detach().contiguous() for key, value in tensors.items()}, temporary, dict(metadata))


def save_drawing(network: Network, stem: Path) -> None:
    """Write the drawing as `stem`.dot and, where Graphviz is installed, as `stem`.svg."""
    drawing = draw(network, sizes=True)
    with _explained(stem):
        drawing.save(stem.with_suffix(".dot"))
        if shutil.which("dot"):
            drawing.save(stem.with_suffix(".svg"))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a safetensors file. Raises RecordError where it is not whole."""
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise RecordError(f"{path}: not a whole safetensors file ({error})") from None


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the disk's errors into a RecordError that names the path."""
    try:
        yield
    except OSError as error:
        raise RecordError(f"cannot write {path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise RecordError(f"cannot write {path}: {error}") from error


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Hand out a temporary path beside `path`, and put it in its place once it is on disk."""
    temporary = path.with_name(path.name + ".part")
    with _explained(path):
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
