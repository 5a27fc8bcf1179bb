"""Copies to the device that are not waited for."""

import torch
from torch import Tensor

PART = 1 << 24  # bytes of a copy: as much pinned memory is taken at a time, which is slow to have, and used again


def upload(values: Tensor, device: torch.device) -> Tensor:
    """The values on `device`; on a GPU the copies go on while the CPU does other things."""
    if device.type != "cuda" or not values.numel():
        return values.to(device)
    found = torch.empty(values.shape, dtype=values.dtype, device=device)
    rows = max(1, PART * len(values) // values.nbytes)
    for here, there in zip(values.split(rows), found.split(rows), strict=True):
        there.copy_(here.pin_memory(), non_blocking=True)  # torch keeps the pinned memory until it is copied
    return found
