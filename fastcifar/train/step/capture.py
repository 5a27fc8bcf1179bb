"""A training step as a CUDA graph that is recorded once and replayed, which saves the CPU time of the launches."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

# images (B, 3, H, W), labels (B,), rate () -> the loss, how many are right, logits
Step = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, ...]]
Work = Callable[[], tuple[Tensor, ...]]
Recorder = Callable[[Work, Any], tuple[tuple[Tensor, ...], Callable[[], None]]]  # the work, a pool of memory
WARM_UP = 3  # runs before a recording, in which the libraries choose their kernels


class Captured:
    """Does what `step` does, by replaying a recording of it. There is one recording for each shape of the images.

    Re-records when `requires_grad` of a weight changes. All recordings share one pool of memory, which is as large as
    the largest of them if that one is made first. A call overwrites the outputs and gradients of all earlier calls.
    weights: those whose gradients the step fills.
    changed: all tensors that the step changes; a recording puts their values back.
    record: `cuda_graph`, or a replacement of it in tests. pool: from `torch.cuda.graph_pool_handle`.
    """

    def __init__(
        self, step: Step, weights: Sequence[Tensor], changed: Sequence[Tensor], record: Recorder, pool: Any
    ) -> None:
        self.step, self.weights, self.changed = step, list(weights), list(changed)
        self.record, self.pool = record, pool
        self.rate = torch.zeros((), dtype=torch.float64, device=self.weights[0].device)
        self.recordings: dict[tuple[torch.Size, tuple[bool, ...]], _Recording] = {}

    def __call__(self, images: Tensor, labels: Tensor, lr: float) -> tuple[Tensor, ...]:
        self.rate.fill_(lr)
        key = images.shape, tuple(weight.requires_grad for weight in self.weights)
        if key not in self.recordings:
            self.recordings[key] = _Recording(self, images, labels)
        return self.recordings[key](images, labels)


class _Recording:
    def __init__(self, parent: Captured, images: Tensor, labels: Tensor) -> None:
        self.weights = parent.weights
        self.images, self.labels = images.clone(memory_format=torch.preserve_format), labels.clone()
        before = [tensor.detach().clone(memory_format=torch.preserve_format) for tensor in parent.changed]
        work = functools.partial(parent.step, self.images, self.labels, parent.rate)
        self.outputs, self.replay = parent.record(work, parent.pool)
        self.gradients = [weight.grad for weight in self.weights]
        with torch.no_grad():
            for tensor, value in zip(parent.changed, before, strict=True):
                tensor.copy_(value)

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        self.images.copy_(images)
        self.labels.copy_(labels)
        self.replay()
        for weight, gradient in zip(self.weights, self.gradients, strict=True):
            weight.grad = gradient  # it may be the gradient of another recording
        return self.outputs


def cuda_graph(work: Work, pool: Any) -> tuple[tuple[Tensor, ...], Callable[[], None]]:
    """Record `work` as a CUDA graph in `pool`; return its outputs, and the function that replays it.

    Raises torch.OutOfMemoryError where the GPU has too little memory.
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
    """Raise the torch.OutOfMemoryError that caused another error.

    Where memory runs out inside a recording, ending the recording fails too ("operation failed due to a previous
    error"), and that second error hides the first.
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


@functools.cache
def _stream(device: int) -> torch.cuda.Stream:
    """The stream of a device for recordings. There is one, as cuBLAS keeps memory for each stream that it has seen."""
    return torch.cuda.Stream(device)
