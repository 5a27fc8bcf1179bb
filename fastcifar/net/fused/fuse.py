"""Replaces chains of batch norm, activation and max pooling in a graph by one operation."""

from collections import Counter

from torch import nn

from fastcifar.net.fused.norm_act import ACTIVATION_CODES, MIN_CHANNELS, NormAct, pool
from fastcifar.net.graph import Graph, Operation


def fuse(graph: Graph) -> Graph:
    """Replace each chain of batch norm, activation and 2x2 max pooling, and each single pooling, by one operation.

    The operation has the path of the chain's last node, and shares the batch norm's module. A chain ends where an
    output has several users. A batch norm of fewer than 16 channels is not fused. For a CPU, float or bfloat16.
    """
    uses = Counter(source for _, sources in graph.values() for source in sources)
    followers = {sources[0]: path for path, (_, sources) in graph.items() if len(sources) == 1}

    def next_of(path: str) -> str | None:
        return followers.get(path) if uses[path] == 1 else None

    fused: Graph = {}
    inside: set[str] = set()
    for path, (operation, sources) in graph.items():
        if path in inside:
            continue
        last = path
        if isinstance(operation, nn.BatchNorm2d) and _is_usual(operation):
            chain = [path]
            activation = ACTIVATION_CODES[nn.Identity]
            following = next_of(path)
            if following is not None and (code := _activation(graph[following][0])) is not None:
                chain.append(following)
                activation, following = code, next_of(following)
            pools = following is not None and _is_pool(graph[following][0])
            if pools:
                assert following is not None
                chain.append(following)
            inside.update(chain)
            last, operation = chain[-1], NormAct(operation, activation, pools)
        elif _is_pool(operation):
            operation = pool
        fused[last] = (operation, sources)
    return fused


def _is_usual(norm: nn.BatchNorm2d) -> bool:
    return norm.affine and norm.track_running_stats and norm.momentum is not None and norm.num_features >= MIN_CHANNELS


def _activation(operation: Operation) -> int | None:
    if isinstance(operation, nn.GELU) and operation.approximate != "none":
        return None
    return ACTIVATION_CODES.get(type(operation)) if isinstance(operation, nn.Module) else None


def _is_pool(operation: Operation) -> bool:
    return (
        isinstance(operation, nn.MaxPool2d)
        and operation.kernel_size in (2, (2, 2))
        and operation.stride in (2, (2, 2))
        and operation.padding in (0, (0, 0))
        and operation.dilation in (1, (1, 1))
        and not operation.ceil_mode
    )
