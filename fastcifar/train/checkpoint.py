"""A run's state between two epochs, as safetensors: weights, statistics, velocities, place and times."""

import json
from dataclasses import asdict

import torch
from torch import Tensor

from fastcifar.train.loop import State
from fastcifar.train.record import RecordError, RunFolder, read_tensors
from fastcifar.train.result import Times

FILE = "checkpoint.safetensors"


def save_checkpoint(folder: RunFolder, state: State, epochs_done: int, times: Times) -> None:
    """Replace the run's checkpoint by `state` as it is after `epochs_done` epochs."""
    scaler = json.dumps(state.scaler.state_dict() if state.scaler else {})
    metadata = {"epochs_done": str(epochs_done), "times": json.dumps(asdict(times)), "scaler": scaler}
    folder.save_tensors(FILE, _tensors(state), metadata)


@torch.no_grad()
def load_checkpoint(folder: RunFolder, state: State) -> tuple[int, Times] | None:
    """Put the run's checkpoint into `state`; return the epochs done and the times so far, or None without one.

    Raises RecordError where the file is damaged or of another network.
    """
    path = folder.path / FILE
    if not path.exists():
        return None
    saved, metadata = read_tensors(path)
    wanted = _tensors(state)
    if {k: v.shape for k, v in saved.items()} != {k: v.shape for k, v in wanted.items()}:
        raise RecordError(f"{path}: these are not the weights of the run's recipe")
    for name, tensor in wanted.items():
        tensor.copy_(saved[name])
    if state.scaler:
        state.scaler.load_state_dict(json.loads(metadata["scaler"]))
    return int(metadata["epochs_done"]), Times(**json.loads(metadata["times"]))


def _tensors(state: State) -> dict[str, Tensor]:
    tensors = {f"network/{name}": value for name, value in state.network.state_dict().items()}
    tensors |= {f"velocity/{i}": value for i, value in enumerate(state.optimizer.velocities)}
    if state.precision.masters:
        tensors |= {f"master/{i}": value for i, value in enumerate(state.optimizer.weights)}
    return tensors
