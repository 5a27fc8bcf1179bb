"""torch.nn with four names more: LayerChoice, ValueChoice, InputChoice, Repeat. All other names are torch's own.

    import fastcifar.nas.nn as nn

A choice is made while a class with `@model_wrapper` is constructed, and returns what is chosen: a module or a plain
value. So the network of a sample has the chosen parts and no others, and values can be computed with.
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, ModuleList, Sequential

from fastcifar.nas.choices import active

MOST_SUBSETS = 1024  # of inputs, among which one choice can choose
REDUCTIONS = ("sum", "mean", "concat", "none")


def __getattr__(name: str) -> Any:
    return getattr(torch.nn, name)


def LayerChoice(candidates: Sequence[Module] | Mapping[str, Module], label: str | None = None) -> Module:
    """One of several modules. The options are their indices as text, "0", "1", ..., or the names of a mapping."""
    named = dict(candidates) if isinstance(candidates, Mapping) else {str(i): one for i, one in enumerate(candidates)}
    if not named or not all(isinstance(one, Module) for one in named.values()):
        raise ValueError(f"nn.LayerChoice: modules are needed, not {candidates!r}")
    construction = active("LayerChoice")
    label = construction.label(label)
    names = list(named)
    name = names[construction.choose("layer", names, label)]
    if construction.sample is None:
        return Candidates(named, label)
    chosen = named[name]
    # The key of shared weights needs the options. An inner choice is made before the outer one, so it comes first.
    chosen.nas_options = (*options_of(chosen), (label, name))  # type: ignore[assignment]
    return chosen


def ValueChoice(candidates: Sequence[Any], label: str | None = None) -> Any:
    """One of several JSON values; in the space itself the first."""
    if not isinstance(candidates, (list, tuple)) or not candidates:
        raise ValueError(f"nn.ValueChoice: a list of values is needed, not {candidates!r}")
    construction = active("ValueChoice")
    return candidates[construction.choose("value", candidates, construction.label(label))]


def InputChoice(
    n_candidates: int, n_chosen: int | None = 1, reduction: str = "sum", label: str | None = None
) -> "ChosenInputs":
    """A module that takes a list of `n_candidates` tensors, and returns `n_chosen` of them, reduced.

    n_chosen: None is any number from 1 on. reduction: sum, mean, concat (of channels), or none, which returns a list.
    The options are indices, or lists of indices if several inputs are chosen.
    """
    if n_candidates < 1 or not 1 <= (n_chosen or 1) <= n_candidates:
        raise ValueError(f"nn.InputChoice: {n_chosen} of {n_candidates} inputs cannot be chosen")
    if reduction not in REDUCTIONS:
        raise ValueError(f"nn.InputChoice: reduction {reduction!r} is none of {', '.join(REDUCTIONS)}")
    sizes = range(1, n_candidates + 1) if n_chosen is None else (n_chosen,)
    if (count := sum(math.comb(n_candidates, size) for size in sizes)) > MOST_SUBSETS:
        raise ValueError(f"nn.InputChoice: {count:,} subsets are too many; at most {MOST_SUBSETS:,}")
    subsets = [list(some) for size in sizes for some in combinations(range(n_candidates), size)]
    options = [some[0] for some in subsets] if n_chosen == 1 else subsets
    construction = active("InputChoice")
    label = construction.label(label)
    return ChosenInputs(n_candidates, subsets[construction.choose("input", options, label)], reduction, label)


def Repeat(
    blocks: Module | Sequence[Module] | Callable[[int], Module], depth: int | tuple[int, int], label: str | None = None
) -> Sequential:
    """A sequence of blocks: `depth` of them, or a number chosen between two numbers, both included.

    blocks: a module that is copied; a list, whose first modules are taken; or a function of the index, from 0.
    The largest number of blocks is always constructed, so that generated labels mean the same in every sample.
    """
    low, high = (depth, depth) if isinstance(depth, int) else depth
    if not 0 <= low <= high:
        raise ValueError(f"nn.Repeat: a depth, or the least and the most, is needed, not {depth!r}")
    if isinstance(blocks, (list, tuple)) and len(blocks) < high:
        raise ValueError(f"nn.Repeat: {high} blocks are needed, not {len(blocks)}")
    made = [_block(blocks, place) for place in range(high)]
    if isinstance(depth, int):
        return Sequential(*made)
    construction = active("Repeat")
    label = construction.label(label)
    return Sequential(*made[: low + construction.choose("repeat", list(range(low, high + 1)), label)])


def options_of(module: Module) -> tuple[tuple[str, str], ...]:
    """The layer choices, (label, option), by which a module of a sample was chosen, the innermost first."""
    options: tuple[tuple[str, str], ...] = getattr(module, "nas_options", ())
    return options


class Candidates(ModuleList):
    """The candidates of a LayerChoice in a space. Its output is the first one's, or the mixture of all."""

    def __init__(self, named: Mapping[str, Module], label: str) -> None:
        super().__init__(named.values())
        self.names, self.label = list(named), label
        self.mixture: Tensor | None = None  # weights (candidates,), set by DARTS

    def forward(self, *inputs: Any, **named: Any) -> Any:
        if self.mixture is None:
            return self[0](*inputs, **named)
        outputs = [one(*inputs, **named) for one in self]
        shapes = [tuple(one.shape) if isinstance(one, Tensor) else type(one).__name__ for one in outputs]
        if len(set(shapes)) > 1 or not isinstance(outputs[0], Tensor):
            raise ValueError(f"{self.label}: outputs that are mixed have to be tensors of one shape, not {shapes}")
        return sum(weight * one for weight, one in zip(self.mixture, outputs, strict=True))

    def __repr__(self) -> str:
        return f"LayerChoice([{', '.join(map(repr, self))}], label={self.label!r})"


class ChosenInputs(Module):
    """Reduces the tensors of a list that have the indices `places`."""

    def __init__(self, n_candidates: int, places: Sequence[int], reduction: str, label: str) -> None:
        super().__init__()
        self.n_candidates, self.places, self.reduction, self.label = n_candidates, list(places), reduction, label
        self.mixture: Tensor | None = None  # weights (n_candidates,), set by DARTS

    def forward(self, inputs: Sequence[Tensor]) -> Tensor | list[Tensor]:
        if len(inputs) != self.n_candidates:
            raise ValueError(f"{self.label}: {self.n_candidates} inputs are needed, not {len(inputs)}")
        if self.mixture is not None:
            mixed = torch.stack([weight * one for weight, one in zip(self.mixture, inputs, strict=True)]).sum(0)
            return [mixed] if self.reduction == "none" else mixed
        chosen = [inputs[place] for place in self.places]
        if self.reduction == "none":
            return chosen
        if self.reduction == "concat":
            return torch.cat(chosen, 1)
        total = torch.stack(chosen).sum(0) if len(chosen) > 1 else chosen[0]
        return total / len(chosen) if self.reduction == "mean" else total

    def extra_repr(self) -> str:
        return f"{self.n_candidates}, places={self.places}, reduction={self.reduction!r}, label={self.label!r}"


def _block(blocks: Any, place: int) -> Module:
    if isinstance(blocks, Module):
        block: Any = copy.deepcopy(blocks)
    else:
        block = blocks[place] if isinstance(blocks, (list, tuple)) else blocks(place)
    if not isinstance(block, Module):
        raise ValueError(f"nn.Repeat: block {place} is no module but {block!r}")
    return block
