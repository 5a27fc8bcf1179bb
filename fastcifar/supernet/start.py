"""The weights of an earlier run as those that a supernet starts from."""

from pathlib import Path

import torch

from fastcifar.supernet.slices import part
from fastcifar.supernet.supernet import Supernet
from fastcifar.train import RecordError
from fastcifar.train.start import read_weights


@torch.no_grad()
def start_from(supernet: Supernet, path: str | Path) -> None:
    """Put a run's weights where the network of that run lies in the supernet; the rest stays as it is.

    Raises RecordError where it does not lie in the supernet.
    """
    saved = {name: tensor for name, tensor in read_weights(path).items() if name.endswith(("weight", "bias"))}
    names = {_name(path): path for path in supernet.shared}
    masters = dict(zip(supernet.trained, supernet.optimizer.weights, strict=True))
    for name, tensor in saved.items():
        if name not in names:
            raise RecordError(f"{path}: the supernet has no {name} for its weights")
        shared = supernet.shared[names[name]]
        try:
            where = part(shared.shape, tensor.shape)
        except ValueError as error:
            raise RecordError(f"{path}: {name}: {error}") from None
        shared[where] = tensor.to(shared)
        if names[name] in masters:
            masters[names[name]][where] = tensor.to(masters[names[name]])


def _name(path: str) -> str:
    """torch's name of the parameter at a path of the graph."""
    node, _, name = path.rpartition("/")
    return f"{node.replace('/', '_')}.{name}"
