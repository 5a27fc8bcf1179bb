"""Many tensors as one vector, so that one launch does something to all numbers of them."""

from collections.abc import Sequence

import torch
from torch import Tensor


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """The numbers of all tensors, one after the other; those of kernels (out, in, k, k) in the order of channels last.

    Kernels that lie in channels last are copied once.
    """
    return torch.cat([(one.permute(0, 2, 3, 1) if one.ndim == 4 else one).reshape(-1) for one in tensors])


def views(vector: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The parts of a vector that `flat` gave, or one like it, in the shapes of `tensors`; kernels in channels last."""
    found = []
    for part, like in zip(vector.split([one.numel() for one in tensors]), tensors, strict=True):
        if like.ndim == 4:
            out, channels, height, width = like.shape
            kernel = part.view(out, height, width, channels).permute(0, 3, 1, 2)
            if like.is_contiguous(memory_format=torch.channels_last):
                # To the strides as well: those of a side of 1 may differ, and then each tensor has its own launch.
                kernel = kernel.as_strided(like.shape, like.stride(), kernel.storage_offset())
            found.append(kernel)
        else:
            found.append(part.view(like.shape))
    return found


def each(values: Sequence[float], tensors: Sequence[Tensor]) -> Tensor:
    """A vector like that of `flat`, on the same device, with one value for all numbers of a tensor; in fp32."""
    sizes = torch.tensor([one.numel() for one in tensors])
    return torch.repeat_interleave(torch.tensor(values, dtype=torch.float32), sizes).to(tensors[0].device)
