"""What a machine could do at best: a large matrix product, a network's convolutions alone, and copying memory.

Each figure is the fastest of several blocks, after a warm-up: a ceiling. Imported by the programs that report a share
of it; FLOPs are counted as `fastcifar.net.trace` does, a multiplication and an addition being two.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fastcifar.net import Graph, trace
from fastcifar.train.device import synchronize

BLOCK_SECONDS = 0.05  # at least, of work between two looks at the clock
BLOCKS = 3
SIDE = {"cpu": 2048, "cuda": 8192}  # of the matrices
COPY_BYTES = 256 << 20
PARTS = ("forward", "input_gradient", "weight_gradient")


@dataclass(frozen=True, kw_only=True)
class ConvCost:
    """One convolution of a training step, in seconds; without an input gradient where its input is the images."""

    path: str
    flops: int  # of each part
    forward: float
    input_gradient: float | None
    weight_gradient: float


def ceilings(graph: Graph, batch_size: int, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """All three, as JSON values; of the convolutions also the rate of each part, and the seconds of all together."""
    costs = convolutions(graph, batch_size, device, dtype)
    timed = {part: [(c.flops, s) for c in costs if (s := getattr(c, part)) is not None] for part in PARTS}
    return {
        "product_flops_per_second": matrix_product(device, dtype),
        "copy_bytes_per_second": copy(device),
        "convolution_flops_per_second": {
            part: sum(flops for flops, _ in pairs) / sum(seconds for _, seconds in pairs)
            for part, pairs in timed.items()
        },
        "convolution_seconds": sum(seconds for pairs in timed.values() for _, seconds in pairs),
        "convolutions": [asdict(cost) for cost in costs],
    }


def matrix_product(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of the product of two square matrices."""
    side = SIDE[device.type]
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)
    return 2 * side**3 / fastest(lambda: torch.mm(a, b, out=out), device)


def copy(device: torch.device) -> float:
    """Bytes/s of copying memory, those read and those written together."""
    source = torch.ones(COPY_BYTES, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    return 2 * COPY_BYTES / fastest(lambda: target.copy_(source), device)


def convolutions(graph: Graph, batch_size: int, device: torch.device, dtype: torch.dtype) -> list[ConvCost]:
    """What each convolution of `graph` takes in a step of `batch_size` images, by torch's kernels, channels last."""
    sizes = trace(graph, (batch_size, 3, 32, 32))
    costs = []
    for path, (conv, sources) in graph.items():
        if isinstance(conv, nn.Conv2d):
            shapes = sizes[sources[0]].shape, sizes[path].shape
            first = graph[sources[0]][0] is None
            costs.append(_convolution(path, conv, shapes, sizes[path].flops, first, device, dtype))
    return costs


def _convolution(
    path: str,
    conv: nn.Conv2d,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    flops: int,
    first: bool,
    device: torch.device,
    dtype: torch.dtype,
) -> ConvCost:
    def random(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, device=device).to(dtype).contiguous(memory_format=torch.channels_last)

    images, gradient, weight = random(shapes[0]), random(shapes[1]), random(tuple(conv.weight.shape))
    assert isinstance(conv.padding, tuple) and conv.groups == 1
    stride, padding, dilation = list(conv.stride), list(conv.padding), list(conv.dilation)

    def backward(of_input: bool) -> Callable[[], object]:
        mask = [of_input, not of_input, False]
        return lambda: torch.ops.aten.convolution_backward(
            gradient, images, weight, None, stride, padding, dilation, False, [0, 0], 1, mask
        )

    return ConvCost(
        path=path,
        flops=flops,
        forward=fastest(lambda: torch.conv2d(images, weight, None, stride, padding, dilation), device),
        input_gradient=None if first else fastest(backward(True), device),
        weight_gradient=fastest(backward(False), device),
    )


def fastest(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call of `work`, in the fastest of BLOCKS blocks."""

    def seconds(calls: int) -> float:
        synchronize(device)
        began = time.perf_counter()
        for _ in range(calls):
            work()
        synchronize(device)
        return (time.perf_counter() - began) / calls

    with torch.no_grad():
        seconds(1)  # the library chooses its kernel
        calls = max(1, round(BLOCK_SECONDS / max(seconds(1), 1e-6)))
        return min(seconds(calls) for _ in range(BLOCKS))


def step_flops(graph: Graph, batch_size: int) -> int:
    """FLOPs of a training step: forward, and each gradient as much again but for that of the images."""
    sizes = trace(graph, (batch_size, 3, 32, 32))
    of_images = sum(
        sizes[path].flops for path, (_, sources) in graph.items() if sources and graph[sources[0]][0] is None
    )
    return 3 * sum(size.flops for size in sizes.values()) - of_images
