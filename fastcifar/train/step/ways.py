"""The ways to run a network: eager, fused (kernels for a CPU), compiled (by torch), captured (as CUDA graphs)."""

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

SHAPES = 64  # most shapes that a network may be compiled for
COMPILED, CAPTURED = ("compiled", "compiled-captured"), ("captured", "compiled-captured")
COMPILER = "it needs a C++ compiler, such as that of: apt install g++"
COST = (
    "a step takes 4 % (resnet9 in fp32) to 34 % (resnet9-tiny in bf16) longer"  # benchmarks/results/train_step-cpu.md
)
STEPS = ("auto", "eager", "fused", "compiled", "captured", "compiled-captured")


def resolve_step(name: str, device: torch.device) -> str:
    """The step that `name` means on `device`: `auto` is fused on a CPU with kernels, and eager elsewhere.

    Where a CPU has no kernels, `auto` gives one Notice in a process, with the reason and the cost.
    Raises ValueError for a name that is not known, or not possible on `device`.
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
    """The step of a resumed run: the one that it began with, as another would change its figures.

    settings: of its record. Where `auto` meant eager for lack of a compiler, the Notice is given again.
    """
    if settings.get("step_asked") == "auto" and settings["step"] == "eager":
        resolve_step("auto", device)
    return resolve_step(settings["step"], device)


@functools.cache
def _tell(reason: str) -> None:
    warnings.warn(f"the fused step is left out: {reason}; {COST}; {COMPILER}", Notice, stacklevel=4)


def make_forward(network: Network, step: str) -> Callable[[Tensor], Tensor]:
    """The function from images (B, 3, 32, 32) to logits (B, num_classes). step: as `resolve_step` returns it."""
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
