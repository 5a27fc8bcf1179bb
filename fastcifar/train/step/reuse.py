"""Keep a compiled network after its run, so that the next run of the same recipe in this process compiles nothing."""

from collections.abc import Hashable
from typing import Any

import torch

from fastcifar.train.build import build_state
from fastcifar.train.recipe.recipe import Recipe
from fastcifar.train.step.loop import State
from fastcifar.train.step.precision import Precision
from fastcifar.train.step.ways import COMPILED

_kept: dict[Hashable, tuple[State, dict[str, Any]]] = {}  # at most one state, and its loss scale at the start


class Lease:
    """The state of one run; `end` keeps it for the next run with the same arguments.

    Only one run at a time has it. Weights, statistics, velocities and averages are those of the last run until
    `init_weights` sets them.
    """

    def __init__(
        self,
        recipe: Recipe,
        num_classes: int,
        device: torch.device,
        precision: Precision,
        step: str,
        steps: int,
        deterministic: bool,
    ) -> None:
        self.key = None
        if step not in COMPILED:
            self.state = build_state(recipe, num_classes, device, precision, step, steps)
            return
        self.key = recipe, num_classes, device, precision, step, steps, deterministic
        kept = _kept.pop(self.key, None)
        _kept.clear()  # frees the memory of another network
        if kept is None:
            self.state = build_state(recipe, num_classes, device, precision, step, steps)
            self.scale = self.state.scaler.state_dict() if self.state.scaler else {}
        else:
            self.state, self.scale = kept
            if self.state.scaler:
                self.state.scaler.load_state_dict(self.scale)

    def end(self) -> None:
        if self.key is not None:
            _kept.clear()
            _kept[self.key] = self.state, self.scale
