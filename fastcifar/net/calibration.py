"""The running statistics of batch norms, measured anew over given inputs."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def calibrate(network: nn.Module, forward: Callable[[Tensor], object], batches: Iterable[Tensor]) -> None:
    """Set the running statistics of all batch norms in `network` from `batches`, and leave the network evaluating.

    Each batch norm gets the mean and the unbiased variance of every value that it receives, over all batches together:
    large batches count for more than small ones, and the variance includes the differences between the means of the
    batches. While the statistics are measured each batch is normalised by its own, so what a norm behind another
    receives depends on the batches; everything else, such as dropout, runs as in evaluation.

    forward: runs the batch norms of `network` on one batch. A norm that it does not run has mean 0 and variance 1.
    batches: inputs (B, ...). A batch norm that keeps no running statistics stays as it is.
    """
    network.eval()
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    measured = [_Measured(norm) for norm in norms]
    try:
        for inputs in batches if norms else ():
            forward(inputs)
    finally:
        for one in measured:
            one.end()
    network.eval()


class _Measured:
    """One batch norm while it is measured: it trains with momentum 1, so it holds the statistics of its last input.

    The sums over inputs are combined in double precision (Chan et al. 1979), without waiting for a GPU.
    """

    def __init__(self, norm: _BatchNorm) -> None:
        self.norm, self.momentum = norm, norm.momentum
        norm.reset_running_stats()
        assert norm.running_mean is not None and norm.running_var is not None
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.mean = torch.zeros_like(self.running_mean, dtype=torch.float64)
        self.squares = torch.zeros_like(self.mean)  # sum of squared deviations from the mean
        self.count = self.last = 0  # values of a channel: of the inputs in the sums, and of the last input
        norm.momentum = 1.0
        norm.train()
        self.hook = norm.register_forward_pre_hook(self._receives)

    def _receives(self, norm: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Add the input before, whose statistics the norm still holds."""
        self._add()
        self.last = inputs[0].numel() // self.norm.num_features

    def _add(self) -> None:
        if not self.last:
            return
        total = self.count + self.last
        difference = self.running_mean.double() - self.mean
        self.squares += (self.last - 1) * self.running_var.double() + difference**2 * (self.count * self.last / total)
        self.mean += difference * (self.last / total)
        self.count, self.last = total, 0

    def end(self) -> None:
        """Set the norm's statistics and its own momentum."""
        self._add()
        self.hook.remove()
        self.norm.momentum = self.momentum
        if self.count:
            self.running_mean.copy_(self.mean)
            self.running_var.copy_(self.squares / (self.count - 1))
