"""A network as a table: every node's output shape, parameters and FLOPs, and their totals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd
from torch import nn

from fastcifar.net.graph import Net
from fastcifar.net.shapes import INPUT_SHAPE, as_graph, operation_name, trace


class Row(NamedTuple):
    path: str
    operation: str  # its type
    shape: tuple[int, ...]  # of the output, the batch first
    parameters: int
    flops: int  # of the forward pass


@dataclass(frozen=True, repr=False)
class NetworkSummary:
    """The rows, in the graph's order; prints as a table."""

    rows: tuple[Row, ...]

    @property
    def parameters(self) -> int:
        return sum(row.parameters for row in self.rows)

    @property
    def flops(self) -> int:
        return sum(row.flops for row in self.rows)

    def to_frame(self) -> pd.DataFrame:
        """One line per node; the columns are the fields of `Row`."""
        return pd.DataFrame(self.rows, columns=list(Row._fields))

    def __str__(self) -> str:
        head = ("node", "operation", "output shape", "parameters", "FLOPs")
        body = [(path, kind, str(shape), f"{n:,}", f"{flops:,}") for path, kind, shape, n, flops in self.rows]
        total = ("total", "", "", f"{self.parameters:,}", f"{self.flops:,}")
        widths = [max(map(len, column)) for column in zip(head, *body, total, strict=True)]
        rule = tuple("-" * width for width in widths)
        return "\n".join(_line(cells, widths) for cells in (head, rule, *body, rule, total))

    __repr__ = __str__


def summary(net: Net | nn.Module, input_shape: Sequence[int] = INPUT_SHAPE) -> NetworkSummary:
    """Tabulate the nodes of a nested dict or a `Network` for one batch of `input_shape`, by default one image.

    FLOPs are those of torch's FlopCounterMode: a multiplication and an addition are two, and only convolutions and
    matrix products count. Nothing is computed, and the network stays as it is (see `trace`).

    Raises ValueError, naming the node, where a node cannot take its inputs.
    """
    graph = as_graph(net)
    sizes = trace(graph, input_shape)
    return NetworkSummary(tuple(Row(path, operation_name(graph[path][0]), *size) for path, size in sizes.items()))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    texts, numbers = slice(0, 3), slice(3, None)
    left = [cell.ljust(width) for cell, width in zip(cells[texts], widths[texts], strict=True)]
    right = [cell.rjust(width) for cell, width in zip(cells[numbers], widths[numbers], strict=True)]
    return "  ".join(left + right)
