"""How a network runs: as written, with a CPU's kernels for chains of its nodes, by torch.compile, by CUDA graphs."""

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch._dynamo.config
from torch import Tensor

from fastcifar.errors import Notice
from fastcifar.names import nearest
from fastcifar.net import Network, NoKernels, fuse, load_kernels, run_graph

SHAPES = 64  # that a network may be compiled for
COMPILED, CAPTURED = ("compiled", "compiled-captured"), ("captured", "compiled-captured")
COMPILER = "a C++ compiler brings it, e.g. by: apt install g++"
COST = (
    "a step takes 4 % (resnet9 in fp32) to 34 % (resnet9-tiny in bf16) longer"  # benchmarks/results/train_step-cpu.md
)
STEPS = ("auto", "eager", "fused", "compiled", "captured", "compiled-captured")


def resolve_step(name: str, device: torch.device) -> str:
    """Return what `name` means on `device`: `auto` is fused on a CPU that has the kernels, and eager elsewhere.

    Where a CPU has none, a Notice says why and what that costs, once in a process.
    Raises ValueError where it is not known, or cannot be had on `device`.
    """
    if name not in STEPS:
        raise ValueError(f"step: {name!r} is not known{nearest(name, STEPS)}")
    if name in CAPTURED and device.type != "cuda":
        raise ValueError(f"step: {name} is for CUDA graphs, and the device is {device}")
    if name not in ("auto", "fused"):
        return name
    if device.type != "cpu":
        if name == "fused":
            raise ValueError(f"step: fused is for a CPU, and the device is {device}")
        return "eager"
    try:
        load_kernels()
    except NoKernels as error:
        if name == "fused":
            raise ValueError(f"step: fused cannot be had: {error}; {COMPILER}") from None
        _tell(str(error))
        return "eager"
    return "fused"


def resumed_step(settings: Mapping[str, Any], device: torch.device) -> str:
    """The step of a run that goes on: the one that it began with, as another would give other figures.

    settings: of its record. Where `auto` came to eager for want of a compiler, that is said again.
    """
    if settings.get("step_asked") == "auto" and settings["step"] == "eager":
        resolve_step("auto", device)
    return resolve_step(settings["step"], device)


@functools.cache
def _tell(reason: str) -> None:
    warnings.warn(f"the fused step is left out: {reason}; {COST}; {COMPILER}", Notice, stacklevel=4)


def make_forward(network: Network, step: str) -> Callable[[Tensor], Tensor]:
    """The function from images (B, 3, 32, 32) to logits (B, num_classes), in the way that `resolve_step` gave."""
    graph = fuse(network.graph) if step == "fused" else network.graph

    def forward(images: Tensor) -> Tensor:
        logits: Tensor = run_graph(graph, {"input": images})["logits"]
        return logits

    if step not in COMPILED:
        return forward
    torch.compiler.reset()  # else a process that trains many networks reaches torch's limit, and runs them eagerly
    limit = torch._dynamo.config.recompile_limit  # often 8; four sizes, with and without whitening's bias, need 10
    torch._dynamo.config.recompile_limit = max(limit, SHAPES)
    return torch.compile(forward, dynamic=False)
