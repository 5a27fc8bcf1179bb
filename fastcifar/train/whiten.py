"""The weights of a whitening convolution."""

import torch
from torch import Tensor

from fastcifar.net import Network, WhitenConv

EPS = 5e-4  # added to the variances, as in KellerJordan/cifar10-airbench


def train_whitening(network: Network, trained: bool) -> bool:
    """Train the bias of the whitening convolution from now on, or not; False where there is no such convolution."""
    convs = [module for module in network.modules() if isinstance(module, WhitenConv)]
    for conv in convs:
        assert conv.bias is not None
        conv.bias.requires_grad_(trained)
    return bool(convs)


def whitening_filters(images: Tensor, side: int) -> Tensor:
    """Filters (6 side^2, 3, side, side) after which patches of `images` (N, 3, H, W) are not correlated.

    The eigenvectors of the patches' second moments, each over the root of its eigenvalue, and the same negated, so that
    an activation keeps either sign (Page 2019; tysam-code/hlb-CIFAR10).
    """
    patches = images.float().unfold(2, side, 1).unfold(3, side, 1)  # (N, 3, rows, columns, side, side)
    flat = patches.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3 * side * side)
    moments = (flat.T @ flat / len(flat)).cpu()  # at most 27 x 27, for which a GPU would load a library
    values, vectors = (found.to(flat) for found in torch.linalg.eigh(moments))
    filters = (vectors / torch.sqrt(values + EPS)).T.reshape(-1, 3, side, side)
    return torch.cat([filters, -filters])
