"""Shapes, parameters and FLOPs of a network, node by node, without computing anything."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fastcifar.net.blocks import ACTIVATIONS, GlobalMaxPool, WhitenConv
from fastcifar.net.graph import Graph, Net, Operation, build_graph
from fastcifar.net.network import Add, BatchNorm, Flatten, Identity, Mul

INPUT_SHAPE = (1, 3, 32, 32)
FREE = {  # operations without products
    *(Identity, Add, Mul, Flatten, GlobalMaxPool, BatchNorm, nn.BatchNorm2d),
    *(nn.Identity, nn.MaxPool2d),
}


class NodeSize(NamedTuple):
    shape: tuple[int, ...]  # of the output, the batch first
    parameters: int  # numbers in its parameters; a parameter that several nodes share counts at the first of them
    flops: int  # of the forward pass


def as_graph(net: Net | nn.Module) -> Graph:
    """The graph of a nested dict or of a `Network` (compiled or not); a graph is returned as it is.

    Raises ValueError if `net` is none of these.
    """
    if isinstance(net, nn.Module):
        net = getattr(net, "graph", None)  # type: ignore[assignment]
    if not isinstance(net, Mapping):
        raise ValueError("a network is a nested dict, a Network or the graph of build_graph")
    return dict(net) if _is_graph(net) else build_graph(net)


def trace(graph: Graph, input_shape: Sequence[int] = INPUT_SHAPE) -> dict[str, NodeSize]:
    """Measure every node of `graph` for inputs of `input_shape` (N, C, H, W).

    The graph runs in evaluation mode on meta tensors: it allocates no memory, computes nothing, and changes no weights,
    statistics or modes. FLOPs are those of torch's FlopCounterMode: a multiplication and an addition are two,
    and only convolutions and matrix products (and attention) count.

    Raises ValueError, naming the node, where a node cannot take its inputs.
    """
    outputs: dict[str, Tensor] = {}
    sizes: dict[str, NodeSize] = {}
    seen: set[nn.Parameter] = set()
    with torch.no_grad():
        for path, (operation, sources) in graph.items():
            inputs = [outputs[source] for source in sources]
            outputs[path], flops = _measure(path, operation, inputs, input_shape)
            new = set(operation.parameters()) - seen if isinstance(operation, nn.Module) else set()
            seen |= new
            sizes[path] = NodeSize(tuple(outputs[path].shape), sum(p.numel() for p in new), flops)
    return sizes


def count_flops(net: Net | nn.Module, input_shape: Sequence[int] = INPUT_SHAPE) -> int:
    """FLOPs of the forward pass for one batch of `input_shape`, by default one image (see `trace`)."""
    return sum(size.flops for size in trace(as_graph(net), input_shape).values())


def operation_name(operation: Operation) -> str:
    """The type of an operation (`Conv2d`), the name of a function, or `input` for None."""
    if operation is None:
        return "input"
    return str(getattr(operation, "__name__", type(operation).__name__))


def _is_graph(net: Mapping[str, Any]) -> bool:
    earlier: set[str] = set()
    for path, node in net.items():
        if not isinstance(node, tuple) or not earlier.issuperset(node[1]):
            return False
        earlier.add(path)
    return True


def _input(shape: Sequence[int]) -> Tensor:
    if not all(isinstance(size, int) and size > 0 for size in shape):
        raise ValueError(f"input_shape: whole numbers above 0 are needed, not {shape!r}")
    return torch.empty(tuple(shape), dtype=torch.float32, device="meta")


def _measure(path: str, operation: Operation, inputs: list[Tensor], input_shape: Sequence[int]) -> tuple[Tensor, int]:
    """The output of a node, and its FLOPs."""
    if operation is None:
        return _input(input_shape), 0
    if type(operation) in (nn.Conv2d, WhitenConv, nn.Linear):  # not what is derived from them: it may do other things
        output = _output(path, operation, inputs)
        return output, 2 * output.numel() * operation.weight[0].numel()  # type: ignore[attr-defined]
    if _keeps_shape(operation, inputs):
        return inputs[0], 0
    if type(operation) in FREE:
        return _output(path, operation, inputs), 0
    with FlopCounterMode(display=False) as counter:  # as long
        return _output(path, operation, inputs), counter.get_total_flops()


def _keeps_shape(operation: Operation, inputs: list[Tensor]) -> bool:
    """Whether the output has the input's shape, so that no run on `meta` is needed: there sums, products, GELU and
    batch norm load torch's compiler, which takes a second."""
    if type(operation) is Add:
        return len(inputs) == 2 and inputs[0].shape == inputs[1].shape
    if len(inputs) != 1:
        return False
    if isinstance(operation, nn.BatchNorm2d) and type(operation) in FREE:
        return inputs[0].ndim == 4 and inputs[0].shape[1] == operation.num_features
    return type(operation) in (Identity, Mul, *ACTIVATIONS.values())


def _output(path: str, operation: Callable[..., Any], inputs: list[Tensor]) -> Tensor:
    try:
        output = _call(operation, inputs)
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        shapes = ", ".join(str(tuple(value.shape)) for value in inputs)
        raise ValueError(f"node {path!r}: {operation_name(operation)} cannot take {shapes}: {error}") from error
    if not isinstance(output, Tensor):
        raise ValueError(f"node {path!r}: its output is a {type(output).__name__}, not a tensor")
    return output


def _call(operation: Callable[..., Any], inputs: list[Tensor]) -> Any:
    if not isinstance(operation, nn.Module):
        return operation(*inputs)
    state = {**dict(operation.named_parameters()), **dict(operation.named_buffers())}
    with _evaluating(operation):
        return torch.func.functional_call(operation, {name: _meta(t) for name, t in state.items()}, tuple(inputs))


def _meta(tensor: Tensor) -> Tensor:
    # One dtype for all, so that a half-precision network with fp32 batch norms takes the same input.
    dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
    return torch.empty(tensor.shape, dtype=dtype, device="meta")


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    # In training mode a batch norm refuses one image of 1x1 pixels.
    modes = [(part, part.training) for part in module.modules()]
    try:
        module.eval()
        yield
    finally:
        for part, mode in modes:
            part.training = mode
