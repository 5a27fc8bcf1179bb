"""Copies to the device that do not block."""

import torch
from torch import Tensor

PART = 1 << 24  # bytes per copy; pinned memory is slow to allocate, so it is reused


def upload(values: Tensor, device: torch.device) -> Tensor:
    """The values on `device`; with a GPU the CPU does not wait for the copies."""
    if device.type != "cuda" or not values.numel():
        return values.to(device)
    found = torch.empty(values.shape, dtype=values.dtype, device=device)
    rows = max(1, PART * len(values) // values.nbytes)
    for here, there in zip(values.split(rows), found.split(rows), strict=True):
        there.copy_(here.pin_memory(), non_blocking=True)  # torch keeps the pinned memory until it is copied
    return found
