"""Blocks of convolution, batch norm, activation and pooling, in the style that a recipe chooses."""

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from fastcifar.net.network import Add, BatchNorm, Identity

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


@dataclass(frozen=True, kw_only=True)
class Style:
    """Settings that all blocks of one network share.

    activation: relu, gelu or silu; the node is named after it.
    pool_first: max pooling comes before the batch norm (davidcpage/cifar10-fast), not after the activation.
    train_bn_scale: whether the batch norms' scale factors are trained; otherwise they stay 1.
    bn_momentum: the weight of a new batch in the running statistics.
    """

    activation: str = "relu"
    pool_first: bool = False
    train_bn_scale: bool = True
    bn_momentum: float = 0.1

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation: {self.activation!r} is none of {', '.join(ACTIVATIONS)}")

    def act(self) -> nn.Module:
        return nn.ReLU(inplace=True) if self.activation == "relu" else ACTIVATIONS[self.activation]()

    def norm(self, width: int) -> BatchNorm:
        norm = BatchNorm(width, momentum=self.bn_momentum)
        norm.weight.requires_grad_(self.train_bn_scale)
        return norm


class GlobalMaxPool(nn.Module):
    """(N, C, H, W) to (N, C, 1, 1): the maximum over all pixels, for any H and W."""

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, (x.shape[2], x.shape[3]))


class WhitenConv(nn.Conv2d):
    """A convolution of 6 k^2 filters of k x k with fixed weights, computed from the images (see `train.whiten`)."""

    def __init__(self, kernel: int, padding: int = 0) -> None:
        super().__init__(3, 6 * kernel**2, kernel, padding=padding)
        self.weight.requires_grad_(False)


def conv_bn(width_in: int, width_out: int, kernel: int, style: Style, pool: bool = False) -> dict[str, Any]:
    """Convolution without bias (same size), batch norm, activation and, where `pool`, 2x2 max pooling."""
    block: dict[str, Any] = {
        "conv": nn.Conv2d(width_in, width_out, kernel_size=kernel, stride=1, padding=kernel // 2, bias=False)
    }
    if pool and style.pool_first:
        block["pool"] = nn.MaxPool2d(2)
    block |= {"bn": style.norm(width_out), style.activation: style.act()}
    if pool and not style.pool_first:
        block["pool"] = nn.MaxPool2d(2)
    return block


def residual(width: int, kernel: int, style: Style) -> dict[str, Any]:
    """Two conv-bn-activation blocks and the sum of their output with their input."""
    return {
        "in": Identity(),
        "res1": conv_bn(width, width, kernel, style),
        "res2": conv_bn(width, width, kernel, style),
        "add": (Add(), ["in", f"res2/{style.activation}"]),
    }
