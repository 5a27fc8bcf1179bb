"""A run's state between two epochs, as safetensors: weights, statistics, velocities, place and times."""

import json
from dataclasses import asdict

import torch
from torch import Tensor

from fastcifar.train.loop import State
from fastcifar.train.record import RecordError, RunFolder, read_tensors
from fastcifar.train.result import Times

FILE = "checkpoint.safetensors"


def save(folder: RunFolder, state: State, epochs_done: int, times: Times) -> None:
    """Replace the run's checkpoint by `state` as it is after `epochs_done` epochs."""
    scaler = json.dumps(state.scaler.state_dict() if state.scaler else {})
    metadata = {"epochs_done": str(epochs_done), "times": json.dumps(asdict(times)), "scaler": scaler}
    folder.save_tensors(FILE, _tensors(state), metadata)


def place(folder: RunFolder) -> tuple[int, Times] | None:
    """The epochs done at the run's checkpoint and the times up to it, or None where there is none."""
    path = folder.path / FILE
    if not path.exists():
        return None
    _, metadata = read_tensors(path, only_metadata=True)
    return int(metadata["epochs_done"]), Times(**json.loads(metadata["times"]))


@torch.no_grad()
def load(folder: RunFolder, state: State) -> None:
    """Put the run's checkpoint into `state`. Raises RecordError where it is damaged or of another network."""
    path = folder.path / FILE
    saved, metadata = read_tensors(path)
    wanted = _tensors(state)
    if _kinds(saved) != _kinds(wanted):
        raise RecordError(f"{path}: these are not the weights of the run's recipe and precision on this device")
    for name, tensor in wanted.items():
        tensor.copy_(saved[name])
    if state.scaler:
        state.scaler.load_state_dict(json.loads(metadata["scaler"]))


def _tensors(state: State) -> dict[str, Tensor]:
    tensors = {f"network/{name}": value for name, value in state.network.state_dict().items()}
    tensors |= {f"velocity/{i}": value for i, value in enumerate(state.optimizer.velocities)}
    if state.average:
        tensors |= {f"average/{i}": value for i, value in enumerate(state.average.mean)}
    if state.precision.masters:
        tensors |= {f"master/{i}": value for i, value in enumerate(state.optimizer.weights)}
    return tensors


def _kinds(tensors: dict[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
