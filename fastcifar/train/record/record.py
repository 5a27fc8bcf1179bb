"""The folder of a run; a crash loses nothing that was announced.

run.json            what made the result, its state, its times
epochs.csv          one row per epoch, on disk before it is announced
weights.safetensors the final weights and batch-norm statistics
checkpoint.safetensors  weights, velocities and place, to resume from
network.dot, network.svg  the drawing

`folder` reads and writes the texts; this file adds the tensors.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fastcifar.net import GraphvizError, Network, draw
from fastcifar.train.record.folder import Folder, RecordError, explained, replacing

__all__ = ["RecordError", "RunFolder", "read_tensors", "save_drawing"]
CHECKSUM = "checksum"  # in the metadata of a safetensors file
WITH_CHECKSUM = "fingerprint"  # a name in the metadata of runs, which came with the checksum


class RunFolder(Folder):
    """One run's folder, with its tensors."""

    def save_tensors(self, name: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
        """Replace `name`, a safetensors file. Its metadata get a checksum over everything in it."""
        self.check()
        whole = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        try:
            with replacing(self.path / name) as temporary:
                save_file(whole, temporary, {**metadata, CHECKSUM: checksum(whole, metadata)})
        except SafetensorError as error:
            raise RecordError(f"cannot write {self.path / name}: {error}") from error


def save_drawing(network: Network, stem: Path) -> None:
    """Write the drawing as `stem`.dot and, where Graphviz is installed and does its work, as `stem`.svg."""
    drawing = draw(network, sizes=True)
    with explained(stem):
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
    if said is None and WITH_CHECKSUM in metadata:
        raise RecordError(f"{path}: damaged: its checksum is missing")
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
