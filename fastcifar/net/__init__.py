"""A network is data: a nested dict, flattened to a graph, run as a module, drawn and counted."""

from fastcifar.net.graph import Graph, Net, build_graph, path_iter, pipeline, remove_by_type
from fastcifar.net.network import Add, BatchNorm, Flatten, Identity, Mul, Network, convert
from fastcifar.net.resnet9 import CHANNELS, LAYERS, resnet9

__all__ = [
    "CHANNELS",
    "LAYERS",
    "Add",
    "BatchNorm",
    "Flatten",
    "Graph",
    "Identity",
    "Mul",
    "Net",
    "Network",
    "build_graph",
    "convert",
    "path_iter",
    "pipeline",
    "remove_by_type",
    "resnet9",
]
