"""A run's state between two epochs, as safetensors: weights, statistics, velocities, place and times."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from fastcifar.train.record.identity import check_identity
from fastcifar.train.record.record import RecordError, RunFolder, read_tensors
from fastcifar.train.result import Times
from fastcifar.train.step.loop import State

FILE = "checkpoint.safetensors"


def save(folder: RunFolder, state: State, epochs_done: int, times: Times, run: Mapping[str, str]) -> None:
    """Replace the run's checkpoint by `state` as it is after `epochs_done` epochs. run: its `identity`."""
    scaler = json.dumps(state.scaler.state_dict() if state.scaler else {})
    metadata = {"epochs_done": str(epochs_done), "times": json.dumps(asdict(times)), "scaler": scaler, **run}
    folder.save_tensors(FILE, _tensors(state), metadata)


def place(folder: RunFolder, run: Mapping[str, str]) -> tuple[int, Times] | None:
    """The epochs done at the run's checkpoint and the times up to it, or None where there is none.

    run: its `identity`. Raises RecordError where the checkpoint is damaged or of another run.
    """
    path = folder.path / FILE
    if not path.exists():
        return None
    _, metadata = _read(path, run)
    try:
        epochs_done, times = int(metadata["epochs_done"]), Times(**json.loads(metadata["times"]))
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"{path}: damaged: no place in the training can be read ({error!r})") from None
    if epochs_done < 1:
        raise RecordError(f"{path}: damaged: it is of epoch {epochs_done}, and the first is 1")
    return epochs_done, times


@torch.no_grad()
def load(folder: RunFolder, state: State, run: Mapping[str, str]) -> None:
    """Put the run's checkpoint into `state`. run: its `identity`.

    Raises RecordError where the checkpoint is damaged, of another run, or of another network.
    """
    path = folder.path / FILE
    saved, metadata = _read(path, run)
    wanted = _tensors(state)
    if _kinds(saved) != _kinds(wanted):
        raise RecordError(f"{path}: these are not the weights of the run's recipe and precision on this device")
    for name, tensor in wanted.items():
        tensor.copy_(saved[name])
    if state.scaler:
        state.scaler.load_state_dict(json.loads(metadata["scaler"]))


def _read(path: Path, run: Mapping[str, str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    tensors, metadata = read_tensors(path)
    check_identity(path, metadata, run)
    return tensors, metadata


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
