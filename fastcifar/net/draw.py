"""A network as a graph in DOT."""

import html
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import pydot
from torch import nn

from fastcifar.net.drawing import Drawing
from fastcifar.net.graph import Graph, Net, Operation, remove_by_type
from fastcifar.net.network import Identity
from fastcifar.net.shapes import INPUT_SHAPE, NodeSize, as_graph, operation_name, trace

DIRECTIONS = ("LR", "TB", "RL", "BT")
COLOURS = {
    "input": "#ffffff",
    "Conv2d": "#9ecae9",
    "BatchNorm": "#e3d7f0",
    "BatchNorm2d": "#e3d7f0",
    "ReLU": "#ffcf9f",
    "MaxPool2d": "#a8dba8",
    "Add": "#f7a8a0",
    "Flatten": "#d9d9d9",
    "Linear": "#8fb3e0",
    "Mul": "#fbd4e4",
}
OTHER_COLOURS = ("#fff2ae", "#c9e7e1", "#d5c4a1", "#cfe8b0", "#f4b6d2", "#b8c4f0", "#ffe08a", "#a6dde8")
FONT: dict[str, Any] = {"fontname": "Helvetica,Arial,sans-serif"}
CLUSTER: dict[str, Any] = {"style": "rounded,filled", "fillcolor": "#00000010", "color": "#bbbbbb", "fontsize": 14}


def draw(
    net: Net | nn.Module,
    *,
    direction: str = "LR",
    sizes: bool = False,
    input_shape: Sequence[int] = INPUT_SHAPE,
) -> Drawing:
    """Draw a nested dict, a `Network` or a graph: coloured by type, boxed by path, identity nodes left out.

    direction: LR, TB, RL or BT, from the input to the output.
    sizes: label each node with its output shape (without the batch), parameters and FLOPs for one batch of
        `input_shape` (see `trace`).

    A node's tooltip is the repr of its operation. Raises ValueError for an unknown direction and, with `sizes`, if a
    node cannot take its inputs.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"direction: {', '.join(DIRECTIONS)} are known, not {direction!r}")
    graph = as_graph(net)
    measured = trace(graph, input_shape) if sizes else {}
    for kind in (Identity, nn.Identity):
        graph = remove_by_type(graph, kind)
    return Drawing(_dot(graph, direction, measured))


def colour(operation: Operation) -> str:
    """The fill colour of an operation. It depends on the type alone, so all drawings agree."""
    name = operation_name(operation)
    return COLOURS.get(name) or OTHER_COLOURS[crc32(name.encode()) % len(OTHER_COLOURS)]


def _dot(graph: Graph, direction: str, sizes: dict[str, NodeSize]) -> str:
    drawing = pydot.Dot("network", graph_type="digraph", rankdir=direction, nodesep=0.15, ranksep=0.3, **FONT)
    drawing.set_node_defaults(shape="box", style="rounded,filled", color="#555555", fontsize=13, **FONT)
    drawing.set_edge_defaults(color="#555555", arrowsize=0.7)
    clusters: dict[str, Any] = {"": drawing}
    for path, (operation, _) in graph.items():
        parent, _, name = path.rpartition("/")
        _cluster(clusters, parent).add_node(_node(path, name, operation, sizes.get(path)))
    for path, (_, sources) in graph.items():
        for source in sources:
            drawing.add_edge(pydot.Edge(_quote(source), _quote(path)))
    return str(drawing.to_string())


def _cluster(clusters: dict[str, Any], path: str) -> Any:
    if path not in clusters:
        parent, _, name = path.rpartition("/")
        cluster = pydot.Cluster(label=_quote(name), tooltip=_quote(path), **CLUSTER)
        # The constructor would put "cluster_" before the name, outside the quotes.
        cluster.set_name(_quote(f"cluster_{path}"))
        _cluster(clusters, parent).add_subgraph(cluster)
        clusters[path] = cluster
    return clusters[path]


def _node(path: str, name: str, operation: Operation, size: NodeSize | None) -> pydot.Node:
    label = _quote(name) if size is None else _size_label(name, size)
    tooltip = "input" if operation is None else repr(operation)
    node = pydot.Node(_quote(path), label=label, tooltip=_quote(tooltip), fillcolor=_quote(colour(operation)))
    if operation is None:
        node.set("shape", "ellipse")
    return node


def _size_label(name: str, size: NodeSize) -> str:
    shape = "\N{MULTIPLICATION SIGN}".join(map(str, size.shape[1:])) or "1"
    lines = (shape, f"{size.parameters:,} parameters", f"{_si(size.flops)}FLOPs")
    return f'<<b>{html.escape(name)}</b><br/><font point-size="10">{"<br/>".join(lines)}</font>>'


def _si(count: int) -> str:
    """`3.54 M` for 3,538,944: three significant digits and a prefix."""
    value, prefixes = float(count), ["", "k", "M", "G", "T"]
    while value >= 999.5 and len(prefixes) > 1:
        value, prefixes = value / 1000, prefixes[1:]
    return f"{value:.3g} {prefixes[0]}"


def _quote(text: str) -> str:
    """A quoted DOT string. In it a backslash begins a command, and HTML entities are decoded."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("&", "&amp;")
    return f'"{escaped}"'
