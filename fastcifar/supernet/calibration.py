"""The batch norms' statistics of one network, measured anew."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from fastcifar.net import BatchNorm


@torch.no_grad()
def calibrate(network: nn.Module, forward: Callable[[Tensor], object], batches: Iterable[Tensor]) -> None:
    """Set the statistics of `network` to their means over `batches` of images (B, 3, 32, 32); leave it evaluating.

    Weights that are shared have been trained under many statistics, none of which is this network's.
    """
    norms = [module for module in network.modules() if isinstance(module, BatchNorm)]
    before = [norm.momentum for norm in norms]
    network.train()
    for number, images in enumerate(batches):
        for norm in norms:
            norm.momentum = 1 / (number + 1)  # a mean, in which what was there before has no weight
        forward(images)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    network.eval()
