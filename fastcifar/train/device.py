"""Where a run computes."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def resolve_device(name: str) -> torch.device:
    """`auto` (CUDA where there is one, else the CPU), `cpu`, `cuda` or `cuda:N`. Raises ValueError for any other."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise ValueError(f"device: {name!r} is not known; there are auto, cpu, cuda and cuda:N")
    if name != "cpu":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            build = "this torch is built without CUDA" if torch.version.cuda is None else "torch finds no usable GPU"
            raise ValueError(f"device: {name!r} was asked for, but {build}; use --device cpu")
        if int(name.partition(":")[2] or 0) >= count:
            raise ValueError(f"device: {name!r} was asked for, but there are {count} GPUs, from cuda:0")
    return torch.device(name)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given, so that a clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def kernels(device: torch.device, deterministic: bool) -> Iterator[None]:
    """Choose convolution kernels by trial on CUDA or, where `deterministic`, such that the same seed repeats itself.

    On a CPU the kernels repeat themselves, and there is nothing to choose.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.get_deterministic_debug_mode()
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it starts
        torch.set_deterministic_debug_mode("error")
    tf32 = torch.backends.cudnn.allow_tf32  # the user's: `flags` would switch it on
    try:
        with torch.backends.cudnn.flags(benchmark=not deterministic, deterministic=deterministic, allow_tf32=tf32):
            yield
    finally:
        torch.set_deterministic_debug_mode(before)
