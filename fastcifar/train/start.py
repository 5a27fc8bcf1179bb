"""The weights of an earlier run as those that another starts from."""

from pathlib import Path

import torch
from torch import Tensor

from fastcifar.net import Network
from fastcifar.train.record.record import RecordError, read_tensors
from fastcifar.train.step.loop import State

FILE = "weights.safetensors"


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The weights and statistics in a run's folder, or in such a file, under torch's names.

    Raises RecordError where there are none.
    """
    return read_file(path)[0]


def read_file(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What `read_weights` gives, and the metadata."""
    path = Path(path)
    file = path / FILE if path.is_dir() else path
    if not file.exists():
        raise RecordError(f"{path}: there are no weights ({FILE}) to start from")
    return read_tensors(file)


def check_weights(network: Network, path: str | Path) -> dict[str, Tensor]:
    """The weights at `path`. Raises RecordError where they are not those of such a network."""
    return check_fit(network, read_weights(path), path)


def check_fit(network: Network, saved: dict[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """The weights `saved`, of the file at `path`. Raises RecordError where they are not those of such a network."""
    wanted = network.state_dict()
    for name in (*wanted, *saved):
        have, want = (tuple(one[name].shape) if name in one else None for one in (saved, wanted))
        if have != want:
            there, here = ("not there" if shape is None else f"of shape {shape}" for shape in (have, want))
            raise RecordError(f"{path}: the weights are of another network: {name} is {there}, but {here} in this one")
    return saved


@torch.no_grad()
def start_from(state: State, path: str | Path) -> None:
    """Set the network's weights and statistics. Raises RecordError where those at `path` are of another network."""
    saved = check_weights(state.network, path)
    for name, tensor in state.network.state_dict().items():
        tensor.copy_(saved[name])
    values: dict[Tensor, Tensor] = {weight: saved[name] for name, weight in state.network.named_parameters()}
    for target, weight in zip(state.optimizer.weights, state.weights, strict=True):
        target.copy_(values[weight])  # fp32 copies are no coarser than what was saved
    if state.average:
        state.average.begin()
