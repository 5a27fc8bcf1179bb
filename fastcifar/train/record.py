"""The folder of a run: what is on disk, and how it gets there so that a crash loses nothing announced.

run.json            what made the result, its state, its times
epochs.csv          one row per epoch, on disk before it is announced
weights.safetensors the final weights and batch-norm statistics
checkpoint.safetensors  weights, velocities and place, to resume from
network.dot, network.svg  the drawing

What is text of these is in `folder`.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fastcifar.net import GraphvizError, Network, draw
from fastcifar.train.folder import Folder, RecordError, explained, new_id, replacing

__all__ = ["RecordError", "RunFolder", "new_id", "read_tensors", "save_drawing"]


class RunFolder(Folder):
    """One run's folder, with its tensors."""

    def save_tensors(self, name: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
        """Replace `name`, a safetensors file."""
        whole = {key: value.detach().contiguous() for key, value in tensors.items()}
        try:
            with replacing(self.path / name) as temporary:
                save_file(whole, temporary, dict(metadata))
        except SafetensorError as error:
            raise RecordError(f"cannot write {self.path / name}: {error}") from error


def save_drawing(network: Network, stem: Path) -> None:
    """Write the drawing as `stem`.dot and, where Graphviz is installed and does its work, as `stem`.svg."""
    drawing = draw(network, sizes=True)
    with explained(stem):
        drawing.save(stem.with_suffix(".dot"))
        with suppress(GraphvizError):
            drawing.save(stem.with_suffix(".svg"))


def read_tensors(path: Path, only_metadata: bool = False) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a safetensors file. Raises RecordError where it is not whole."""
    try:
        with safe_open(path, framework="pt") as file:
            names = [] if only_metadata else file.keys()
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise RecordError(f"{path}: not a whole safetensors file ({error})") from None
