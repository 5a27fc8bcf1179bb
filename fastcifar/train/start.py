"""The weights of an earlier run as those that another starts from."""

from pathlib import Path

import torch
from torch import Tensor

from fastcifar.train.loop import State
from fastcifar.train.record import RecordError, read_tensors

FILE = "weights.safetensors"


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The weights and statistics in a run's folder, or in such a file, under torch's names.

    Raises RecordError where there are none.
    """
    path = Path(path)
    file = path / FILE if path.is_dir() else path
    if not file.exists():
        raise RecordError(f"{path}: there are no weights ({FILE}) to start from")
    return read_tensors(file)[0]


@torch.no_grad()
def start_from(state: State, path: str | Path) -> None:
    """Set the network's weights and statistics. Raises RecordError where those at `path` are of another network."""
    saved, wanted = read_weights(path), state.network.state_dict()
    for name, tensor in wanted.items():
        if name not in saved or saved[name].shape != tensor.shape:
            have = "is not there" if name not in saved else f"has the shape {tuple(saved[name].shape)}"
            raise RecordError(f"{path}: the weights are of another network: {name} {have}, not {tuple(tensor.shape)}")
    for name in saved:
        if name not in wanted:
            raise RecordError(f"{path}: the weights are of another network, which has {name}")
    for name, tensor in wanted.items():
        tensor.copy_(saved[name])
    by_weight: dict[Tensor, Tensor] = {weight: saved[name] for name, weight in state.network.named_parameters()}
    for target, weight in zip(state.optimizer.weights, state.weights, strict=True):
        target.copy_(by_weight[weight])  # fp32 copies are no coarser than what was saved
    if state.average:
        state.average.begin()
