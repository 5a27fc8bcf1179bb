"""A step's pass forward and backward as CUDA graphs, recorded once and replayed: no launch costs the CPU time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor

Pass = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # images (B, 3, H, W), labels (B,) -> logits, loss
Work = Callable[[], tuple[Tensor, Tensor]]
Recorder = Callable[[Work, Any], tuple[tuple[Tensor, Tensor], Callable[[], None]]]  # the work, a pool of memory
WARM_UP = 3  # runs before the recording, in which the libraries choose their kernels


class Captured:
    """Does what `step` does, which fills the gradients of `weights`, by a recording of it for each shape of the images.

    Weights that have stopped being trained make another recording. All recordings share one pool of memory, so they
    take as much as the largest of them, if that one is made first. A call overwrites what an earlier call returned,
    and its gradients, whichever recordings the two calls used.
    record: `cuda_graph`, or what stands for it. pool: what `torch.cuda.graph_pool_handle` gives.
    """

    def __init__(self, step: Pass, weights: Sequence[Tensor], record: Recorder, pool: Any) -> None:
        self.step, self.weights, self.record, self.pool = step, list(weights), record, pool
        self.recordings: dict[tuple[torch.Size, tuple[bool, ...]], _Recording] = {}

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        key = images.shape, tuple(weight.requires_grad for weight in self.weights)
        if key not in self.recordings:
            self.recordings[key] = _Recording(self, images, labels)
        return self.recordings[key](images, labels)


class _Recording:
    def __init__(self, parent: Captured, images: Tensor, labels: Tensor) -> None:
        self.weights = parent.weights
        self.images, self.labels = images.clone(memory_format=torch.preserve_format), labels.clone()
        self.outputs, self.replay = parent.record(lambda: parent.step(self.images, self.labels), parent.pool)
        self.gradients = [weight.grad for weight in self.weights]

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self.images.copy_(images)
        self.labels.copy_(labels)
        self.replay()
        for weight, gradient in zip(self.weights, self.gradients, strict=True):
            weight.grad = gradient  # that of another recording may stand there
        return self.outputs


def cuda_graph(work: Work, pool: Any) -> tuple[tuple[Tensor, Tensor], Callable[[], None]]:
    """Record `work` as a CUDA graph in `pool`; the tensors that it returns, and what runs it again.

    Raises torch.OutOfMemoryError where the memory does not suffice.
    """
    stream = _stream(torch.cuda.current_device())
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with out_of_memory_first(), torch.cuda.graph(graph, pool=pool, stream=stream):
        outputs = work()
    return outputs, graph.replay


@contextmanager
def out_of_memory_first() -> Iterator[None]:
    """Raise the torch.OutOfMemoryError that lies behind another error.

    Where the memory runs out inside a recording, its end fails too ("operation failed due to a previous error"), and
    that second error hides the first.
    """
    try:
        yield
    except Exception as error:
        first: BaseException | None = error
        while first is not None and not isinstance(first, torch.OutOfMemoryError):
            first = first.__cause__ or first.__context__
        if first is None or first is error:
            raise
        raise first from None


@cache
def _stream(device: int) -> torch.cuda.Stream:
    """A device's stream for recordings: cuBLAS keeps memory for each stream that it has seen."""
    return torch.cuda.Stream(device)
