"""A network is data: a nested dict, flattened to a graph, run as a module, drawn and counted."""

from fastcifar.net.blocks import ACTIVATIONS, GlobalMaxPool, Style, WhitenConv
from fastcifar.net.calibration import calibrate
from fastcifar.net.draw import draw
from fastcifar.net.drawing import Drawing, GraphvizError
from fastcifar.net.fused import NoKernels, fuse, load_kernels
from fastcifar.net.graph import Graph, Net, build_graph, path_iter, pipeline, remove_by_type
from fastcifar.net.network import Add, BatchNorm, Flatten, Identity, Mul, Network, convert, run_graph
from fastcifar.net.resnet9 import CHANNELS, EXTRA, LAYERS, MAX_EXTRA, resnet9
from fastcifar.net.shapes import NodeSize, as_graph, count_flops, trace
from fastcifar.net.speednet import GROUPS, speednet
from fastcifar.net.summary import NetworkSummary, Row, summary

__all__ = [
    "ACTIVATIONS",
    "CHANNELS",
    "EXTRA",
    "GROUPS",
    "LAYERS",
    "MAX_EXTRA",
    "Add",
    "BatchNorm",
    "Drawing",
    "Flatten",
    "GlobalMaxPool",
    "Graph",
    "GraphvizError",
    "Identity",
    "Mul",
    "Net",
    "Network",
    "NetworkSummary",
    "NoKernels",
    "NodeSize",
    "Row",
    "Style",
    "WhitenConv",
    "as_graph",
    "build_graph",
    "calibrate",
    "convert",
    "count_flops",
    "draw",
    "fuse",
    "load_kernels",
    "path_iter",
    "pipeline",
    "remove_by_type",
    "resnet9",
    "run_graph",
    "speednet",
    "summary",
    "trace",
]
