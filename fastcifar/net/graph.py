"""A network as a nested dict, flattened to a graph of operations.

A leaf is an operation, or `(operation, inputs)`. Inputs are relative: `-1` is the leaf before this one, a string is
a path seen from the leaf's own dict (`in`, `res2/relu`, `../pool`). A leaf without inputs takes `[-1]`.

The format is that of davidcpage/cifar10-fast (`core.py`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Operation = Callable[..., Any] | None
Net = Mapping[str, Any]
Graph = dict[str, tuple[Operation, list[str]]]


def path_iter(net: Net, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield `(path, leaf)` depth first, in the order of the dicts; the parts of a path are joined by '/'."""
    for name, value in net.items():
        path = prefix + name
        if isinstance(value, Mapping):
            yield from path_iter(value, path + "/")
        else:
            yield path, value


def pipeline(net: Net) -> list[tuple[str, tuple[Operation, Sequence[int | str]]]]:
    """List the leaves of `net` as `(path, (operation, relative inputs))`."""
    return [(path, leaf if isinstance(leaf, tuple) else (leaf, [-1])) for path, leaf in path_iter(net)]


def build_graph(net: Net) -> Graph:
    """Flatten `net` to `path -> (operation, paths of its inputs)`, in the order of computation.

    Raises ValueError if an input is not an earlier node, or two leaves have the same path.
    """
    nodes = pipeline(net)
    graph: Graph = {}
    for index, (path, (operation, inputs)) in enumerate(nodes):
        if path in graph:
            raise ValueError(f"node {path!r}: two nodes have this path")
        resolved = []
        for given in inputs:
            if isinstance(given, int):
                source = nodes[index + given][0] if -index <= given < 0 else None
            else:
                source = _resolve(path, given)
            if source is None or source not in graph:
                raise ValueError(f"node {path!r}: its input {given!r} is not an earlier node")
            resolved.append(source)
        graph[path] = (operation, resolved)
    return graph


def remove_by_type(graph: Graph, kind: type) -> Graph:
    """Remove the nodes of type `kind`, each with one input, from `graph`; their users take that input instead."""
    source: dict[str, str] = {}
    kept: Graph = {}
    for path, (operation, inputs) in graph.items():
        inputs = [source.get(name, name) for name in inputs]
        if isinstance(operation, kind):
            (source[path],) = inputs
        else:
            kept[path] = (operation, inputs)
    return kept


def _resolve(path: str, relative: str) -> str:
    if relative.startswith("/"):
        return relative[1:]
    parts = path.split("/")[:-1]
    for part in relative.split("/"):
        if part == "..":
            if not parts:
                raise ValueError(f"node {path!r}: its input {relative!r} leads out of the network")
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
