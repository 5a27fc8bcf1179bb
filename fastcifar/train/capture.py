"""A step's pass forward and backward as CUDA graphs, recorded once and replayed: no launch costs the CPU time."""

from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor

Pass = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # images (B, 3, H, W), labels (B,) -> logits, loss
Recorder = Callable[[Callable[[], tuple[Tensor, Tensor]]], tuple[tuple[Tensor, Tensor], Callable[[], None]]]
WARM_UP = 3  # runs before the recording, in which the libraries choose their kernels


class Captured:
    """Does what `step` does, which fills the gradients of `weights`, by a recording of it for each shape of the images.

    Weights that have stopped being trained make another recording. Its tensors are the same at every call: what is
    returned and the gradients hold until the next one. record: `cuda_graph`, or what stands for it.
    """

    def __init__(self, step: Pass, weights: Sequence[Tensor], record: Recorder) -> None:
        self.step, self.weights, self.record = step, list(weights), record
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
        self.outputs, self.replay = parent.record(lambda: parent.step(self.images, self.labels))
        self.gradients = [weight.grad for weight in self.weights]

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self.images.copy_(images)
        self.labels.copy_(labels)
        self.replay()
        for weight, gradient in zip(self.weights, self.gradients, strict=True):
            weight.grad = gradient  # that of another recording may stand there
        return self.outputs


def cuda_graph(
    work: Callable[[], tuple[Tensor, Tensor]],
) -> tuple[tuple[Tensor, Tensor], Callable[[], None]]:
    """Record `work` as a CUDA graph; the tensors that it returns, and what runs it again."""
    stream = _stream(torch.cuda.current_device())
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        outputs = work()
    return outputs, graph.replay


@cache
def _stream(device: int) -> torch.cuda.Stream:
    """A device's stream for recordings: cuBLAS keeps memory for each stream that it has seen."""
    return torch.cuda.Stream(device)
