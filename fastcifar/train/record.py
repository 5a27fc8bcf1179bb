"""The folder of a run: what is on disk, and how it gets there so that a crash loses nothing announced.

run.json            what made the result, its state, its times
epochs.csv          one row per epoch, on disk before it is announced
weights.safetensors the final weights and batch-norm statistics
checkpoint.safetensors  weights, velocities and place, to resume from
network.dot, network.svg  the drawing
"""

import csv
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fastcifar.errors import Failure
from fastcifar.net import GraphvizError, Network, draw
from fastcifar.train.table import COLUMNS, EpochRow

CHECKSUM = "checksum"  # in the metadata of a safetensors file
PATIENCE = 0.5  # seconds, for one that only looks whether a run is held


class RecordError(Failure, ValueError):
    """A run's folder that cannot be written, or read back."""


class RunFolder:
    """One run's folder. Writers raise RecordError with the path where the disk refuses."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process. Raises RecordError where another holds it."""
        with _explained(self.path):
            file = (self.path / "lock").open("w")
        with file:
            until = time.monotonic() + PATIENCE
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise RecordError(f"{self.path}: another process is at work on this run") from None
                    time.sleep(0.01)
            yield

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

    def write_json(self, document: Mapping[str, Any], name: str = "run.json") -> None:
        """Replace run.json, or the file of that name."""
        with _replacing(self.path / name) as temporary:
            temporary.write_text(json.dumps(document, indent=2) + "\n")

    def read_json(self, name: str = "run.json") -> dict[str, Any]:
        """The document in run.json, or in the file of that name."""
        path = self.path / name
        try:
            document = json.loads(path.read_text())
        except OSError as error:
            kind = "run" if name == "run.json" else path.stem
            raise RecordError(f"{self.path} is no {kind}: {name} cannot be read ({error.strerror})") from error
        except json.JSONDecodeError as error:
            raise RecordError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from None
        if not isinstance(document, dict) or "recipe" not in document:
            raise RecordError(f"{path}: not the record of a run")
        return document

    def write_epochs(self, rows: list[EpochRow]) -> None:
        """Replace epochs.csv, and wait until it is on disk."""
        with _replacing(self.path / "epochs.csv") as temporary:
            lines = [",".join(COLUMNS), *(",".join(repr(value) for value in row.values()) for row in rows)]
            temporary.write_text("\n".join(lines) + "\n")

    def read_epochs(self) -> list[EpochRow]:
        """The rows of epochs.csv. Raises RecordError where it is not whole."""
        path = self.path / "epochs.csv"
        rows = []
        try:
            with path.open(newline="") as file:
                lines = csv.DictReader(file)
                if tuple(lines.fieldnames or ()) != COLUMNS:
                    raise ValueError("other columns")
                for line in lines:
                    values = {name: float(line[name]) for name in COLUMNS if name != "epoch_time"}
                    rows.append(EpochRow(epoch=int(values.pop("epoch")), **values))
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise RecordError(f"{path}: not a whole table of epochs ({error!r})") from None
        return rows

    def remove(self, name: str) -> None:
        """Remove a file that is no longer needed."""
        with _explained(self.path):
            (self.path / name).unlink(missing_ok=True)

    def save_tensors(self, name: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
        """Replace `name`, a safetensors file. Its metadata get a checksum over everything in it."""
        plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        with _replacing(self.path / name) as temporary:
            save_file(plain, temporary, {**metadata, CHECKSUM: checksum(plain, metadata)})


def save_drawing(network: Network, stem: Path) -> None:
    """Write the drawing as `stem`.dot and, where Graphviz is installed and does its work, as `stem`.svg."""
    drawing = draw(network, sizes=True)
    with _explained(stem):
        drawing.save(stem.with_suffix(".dot"))
        with suppress(GraphvizError):
            drawing.save(stem.with_suffix(".svg"))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a safetensors file.

    Raises RecordError where it is not whole, or where its content has another checksum than it says; files that were
    made before there were checksums say none.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
            metadata = file.metadata() or {}
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise RecordError(f"{path}: not a whole safetensors file ({error})") from None
    said = metadata.pop(CHECKSUM, None)
    if said is not None and said != checksum(tensors, metadata):
        raise RecordError(f"{path}: damaged: its content has another checksum than when it was written")
    return tensors, metadata


def checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 (hex) over names, formats, shapes and values of the tensors (on the CPU), and over the metadata."""
    digest = hashlib.sha256(json.dumps(sorted(metadata.items())).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


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
