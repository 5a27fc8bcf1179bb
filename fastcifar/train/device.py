"""Where a run computes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def resolve_device(name: str) -> torch.device:
    """`auto` (CUDA where there is one, else the CPU), `cpu`, `cuda` or `cuda:N`. Raises ValueError for any other."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()) or (kind == "cpu" and number):
        raise ValueError(f"device: {name!r} is not known; there are auto, cpu, cuda and cuda:N")
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            build = "this torch is built without CUDA" if torch.version.cuda is None else "torch finds no usable GPU"
            raise ValueError(f"device: {name!r} was asked for, but {build}; use --device cpu")
        if number and int(number) >= count:
            raise ValueError(f"device: {name!r} was asked for, but there are {count} GPUs, from cuda:0")
    return torch.device(name)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given, so that a clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def kernels(device: torch.device, deterministic: bool) -> Iterator[None]:
    """Choose convolution kernels by trial on CUDA or, where `deterministic`, such that the same seed repeats itself."""
    if device.type != "cuda":
        yield  # on a CPU the kernels are deterministic, and there is nothing to choose
        return
    if deterministic:  # cuBLAS reads it when it starts, and torch refuses to go on without it
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(deterministic)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=not deterministic, deterministic=deterministic):
            yield
    finally:
        torch.use_deterministic_algorithms(before)
