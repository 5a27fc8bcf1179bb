"""Start a supernet from the weights of an earlier run or of another supernet."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from fastcifar.supernet.record import FILE, identity, read_record
from fastcifar.supernet.slices import part
from fastcifar.supernet.supernet import Supernet
from fastcifar.train import RecordError, describe_network
from fastcifar.train.build import trained_paths
from fastcifar.train.record import checkpoint
from fastcifar.train.record.identity import check_identity
from fastcifar.train.record.record import read_tensors
from fastcifar.train.start import read_weights

HEAD = "linear.weight"  # whose rows are classes


@torch.no_grad()
def start_from(supernet: Supernet, path: str | Path) -> None:
    """Copy the weights at `path` to their part of the shared weights; the others stay as they are.

    path: a run's folder or export, or a supernet's folder.
    Raises RecordError where the weights are not of a network that the supernet contains.
    """
    path = Path(path)
    names = {torch_name(path): path for path in supernet.shared}
    masters = dict(zip(supernet.trained, supernet.optimizer.weights, strict=True))
    for name, tensor in _saved(path).items():
        if name not in names:
            raise RecordError(f"{path}: the supernet has no {name} for its weights")
        shared = supernet.shared[names[name]]
        try:
            where = part(shared.shape, tensor.shape)
        except ValueError as error:
            raise RecordError(f"{path}: {name}: {error}") from None
        if name == HEAD and len(tensor) != len(shared):
            raise RecordError(f"{path}: its networks tell {len(tensor)} classes apart, the supernet's {len(shared)}")
        shared[where] = tensor.to(shared)
        if names[name] in masters:
            masters[names[name]][where] = tensor.to(masters[names[name]])


def torch_name(path: str) -> str:
    """torch's name of the parameter at a path of the graph."""
    node, _, name = path.rpartition("/")
    return f"{node.replace('/', '_')}.{name}"


def _saved(path: Path) -> Mapping[str, Tensor]:
    """The parameters at `path` by torch's names; for a supernet the optimizer's fp32 copies where it has them."""
    if not (path / FILE).exists():
        return {name: tensor for name, tensor in read_weights(path).items() if name.endswith(("weight", "bias"))}
    record = read_record(path)
    choices = record.plan.choices
    tensors, metadata = read_tensors(path / checkpoint.FILE)
    check_identity(path / checkpoint.FILE, metadata, identity(record))
    paths = [path for path, _ in describe_network(choices.full, 2).path_parameters()]
    found = {torch_name(path): tensors[f"network/{torch_name(path)}"] for path in paths}
    trained = trained_paths(describe_network(choices.full, 2))
    return found | {
        torch_name(path): tensors[f"master/{i}"] for i, path in enumerate(trained) if f"master/{i}" in tensors
    }
