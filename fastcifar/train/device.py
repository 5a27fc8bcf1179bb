"""Where a run computes."""

import ctypes
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import torch

TF32 = "tf32"  # torch's name of it
# Of glibc's malloc.h: no block has a mapping of its own, the top is given back never, and grows by 64 MiB.
MALLOC = {-4: 0, -1: 2**31 - 1, -2: 64 << 20}  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD


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


def keep_memory() -> None:
    """Let this process keep the memory that it has had, instead of asking the system for it anew at every step.

    A new page costs more than what is computed in it: of a step of resnet9 on a virtual machine a third to a half.
    For good, and for the whole process. Does nothing where the C library is not glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for parameter, value in MALLOC.items():
            mallopt(parameter, value)


@contextmanager
def kernels(device: torch.device, deterministic: bool, by_trial: bool = True) -> Iterator[None]:
    """Choose convolution kernels by trial on CUDA or, where `deterministic`, such that the same seed repeats itself.

    by_trial: false where shapes keep changing, as the first convolution of each costs a trial of all kernels.
    Products of fp32 numbers are in fp32 inside, not in TF32, whatever this process has set.
    On a CPU the kernels repeat themselves, and there is nothing to choose.
    """
    if device.type != "cuda":
        yield
        return
    cudnn, debug_mode = torch.backends.cudnn, torch.get_deterministic_debug_mode()
    before = cudnn.benchmark, cudnn.deterministic
    try:
        if deterministic:
            torch.set_deterministic_debug_mode("error")
        cudnn.benchmark, cudnn.deterministic = by_trial and not deterministic, deterministic
        with torch.cuda.device(device), exact_products():  # streams and graphs are those of the current device
            yield
    finally:
        cudnn.benchmark, cudnn.deterministic = before
        torch.set_deterministic_debug_mode(debug_mode)


@contextmanager
def exact_products() -> Iterator[None]:
    """Compute products of fp32 numbers on CUDA in fp32.

    By default torch lets cuDNN's convolutions round their factors to TF32, 10 bits of 23. torch has an older and a
    newer way to say so, and raises where one is asked after the other has been used: the older is left alone then.
    """
    cudnn: Any = torch.backends.cudnn
    matmul = torch.backends.cuda.matmul
    with ExitStack() as undo:

        def change(place: Any, name: str, value: object) -> None:
            before = getattr(place, name)
            undo.callback(setattr, place, name, before)
            setattr(place, name, value)

        if cudnn.conv.fp32_precision == TF32:
            with suppress(RuntimeError, AttributeError):
                change(cudnn, "allow_tf32", False)  # the older; torch's compiler asks it, and wants cudnn.rnn to agree
                change(cudnn.rnn, "fp32_precision", "ieee")
            change(cudnn.conv, "fp32_precision", "ieee")
        if matmul.fp32_precision == TF32:
            change(matmul, "fp32_precision", "ieee")
        yield
