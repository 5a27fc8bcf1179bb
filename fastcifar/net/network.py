"""A graph of operations as a torch module."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from fastcifar.net.graph import Graph, Net, build_graph


class Network(nn.Module):
    """Runs the graph of `net`, a nested dict (see `build_graph`).

    An operation that is a module is registered under its path with '_' for '/', as in cifar10-fast.
    Raises ValueError if two paths would share that name, or if torch's modules have an attribute of that name.
    """

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.graph = build_graph(net)
        for path, (operation, _) in self.graph.items():
            if isinstance(operation, nn.Module):
                name = path.replace("/", "_")
                if hasattr(self, name):
                    raise ValueError(f"node {path!r}: its module's name, {name!r}, is taken")
                self.add_module(name, operation)

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the output of every node by path; a node whose output is among `inputs` is not computed.

        The usual input is `{"input": images}`, images of shape (N, 3, 32, 32); `logits` is (N, num_classes).
        Raises ValueError where a node without an operation is not supplied.
        """
        return run_graph(self.graph, inputs)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As torch's own. Raises ValueError if the network has no memory to copy values to."""
        if not assign and any(tensor.is_meta for tensor in chain(self.parameters(), self.buffers())):
            raise ValueError(
                "this network has no memory for weights (it is on torch's device 'meta'): "
                "fastcifar.train.load_network(run) gives a trained one, network.to_empty(device='cpu') the memory"
            )
        return super().load_state_dict(state_dict, strict, assign)

    def path_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield `(path, parameter)` in the graph's order, e.g. `("prep/conv/weight", ...)`."""
        for path, (operation, _) in self.graph.items():
            if isinstance(operation, nn.Module):
                for name, parameter in operation.named_parameters():
                    yield f"{path}/{name}", parameter


def run_graph(graph: Graph, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`Network.forward` for any graph."""
    outputs = dict(inputs)
    for path, (operation, sources) in graph.items():
        if path not in outputs:
            if operation is None:
                raise ValueError(f"the network needs a value for {path!r}")
            outputs[path] = operation(*[outputs[source] for source in sources])
    return outputs


class Identity(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


class Add(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class Mul(nn.Module):
    """Multiplies by the constant `weight`."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class Flatten(nn.Module):
    """(N, C, 1, 1) to (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that prints as in the notes, whatever fields newer versions of torch print."""

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


def convert(network: nn.Module, dtype: torch.dtype, batch_norm_dtype: torch.dtype) -> None:
    """Cast the floating-point weights and statistics of `network` in place; batch norms get their own dtype."""
    for module in network.modules():
        if not list(module.children()):
            module.to(batch_norm_dtype if isinstance(module, nn.BatchNorm2d) else dtype)
