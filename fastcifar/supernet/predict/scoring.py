"""The holdout loss of many networks of a supernet; layers that several networks begin with are computed once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastcifar.net import Graph, Network, calibrate, fuse, run_graph
from fastcifar.stopping import check
from fastcifar.supernet.supernet import Supernet
from fastcifar.train import Recipe, describe_network
from fastcifar.train.step.loop import autocast

Key = tuple[object, ...]


@dataclass(frozen=True, kw_only=True)
class Score:
    """A network on the holdout: mean cross entropy, and accuracy as a share of 1."""

    loss: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class _Outputs:
    """The outputs of a layer, one tensor (B, ...) for each batch."""

    calibration: list[Tensor]
    valid: list[Tensor]


@torch.no_grad()
def scores(
    supernet: Supernet,
    recipes: Sequence[Recipe],
    calibration: Sequence[Tensor],
    valid: Sequence[tuple[Tensor, Tensor]],
    progress: Callable[[int], None] = lambda done: None,
) -> list[Score]:
    """Score the networks of `recipes` on the batches of `valid`, each with statistics measured on `calibration`.

    The networks are sorted so that those with the same first layers follow each other, and the outputs of those layers
    are kept: a layer is computed once for all networks that are equal up to it. The scores are those of each network by
    itself. progress: called with the number of networks done.
    """
    keys = [_keys(describe_network(recipe, supernet.num_classes)) for recipe in recipes]
    labels = torch.cat([labels for _, labels in valid])
    begin = _Outputs(calibration=list(calibration), valid=[images for images, _ in valid])
    kept: list[tuple[Key, _Outputs]] = []
    found: dict[int, Score] = {}
    for index in sorted(range(len(recipes)), key=lambda index: repr(keys[index])):
        same = 0
        while same < min(len(kept), len(keys[index])) and kept[same][0] == keys[index][same]:
            same += 1
        del kept[same:]
        layers = _layers(supernet.frozen(recipes[index]).graph)
        for key, layer in list(zip(keys[index], layers, strict=True))[same:]:
            kept.append((key, _outputs(supernet, layer, kept[-1][1] if kept else begin)))
        logits = torch.cat(kept[-1][1].valid).float()
        found[index] = Score(
            loss=float(F.cross_entropy(logits, labels)), accuracy=float((logits.argmax(1) == labels).float().mean())
        )
        progress(len(found))
        check()
    return [found[index] for index in range(len(recipes))]


def _layers(graph: Graph) -> list[Graph]:
    """The graph's nodes, grouped by the first part of their paths; a layer's input is the output of the one before."""
    nodes = [(path, node) for path, node in graph.items() if node[0] is not None]
    return [dict(layer) for _, layer in groupby(nodes, key=lambda item: item[0].split("/")[0])]


def _keys(network: Network) -> list[Key]:
    """A key for each layer: layers with equal keys have the same nodes and the same part of the shared weights."""
    shapes = [(path, tuple(parameter.shape)) for path, parameter in network.path_parameters()]
    return [
        (tuple(layer), tuple(shape for path, shape in shapes if path.rpartition("/")[0] in layer))
        for layer in _layers(network.graph)
    ]


def _outputs(supernet: Supernet, layer: Graph, inputs: _Outputs) -> _Outputs:
    """Calibrate the layer, and run it on all batches."""
    first = next(iter(layer.values()))[1][0]
    nodes = fuse(layer) if supernet.step == "fused" else layer
    last = list(nodes)[-1]
    modules = nn.ModuleList(operation for operation, _ in layer.values() if isinstance(operation, nn.Module))
    given: list[Tensor] = []

    def run(x: Tensor) -> Tensor:
        with autocast(supernet.state.precision, supernet.device):
            return run_graph(nodes, {first: x})[last]

    calibrate(modules, lambda x: given.append(run(x)), inputs.calibration)
    return _Outputs(calibration=given, valid=[run(x) for x in inputs.valid])
