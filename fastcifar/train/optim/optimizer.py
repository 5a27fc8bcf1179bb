"""The contract of an optimizer, and several of them as one."""

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

OPTIMIZERS = ("sgd", "muon")


class Optimizer(Protocol):
    """Changes `weights` by their `.grad`, which it may overwrite; one without a gradient stays as it is.

    velocities: what it remembers, one tensor per weight, of its shape. lr: the rate of the next step, for the summed
    loss; on a GPU it may be a tensor there. param_groups: what torch.amp.GradScaler looks for.
    """

    weights: list[Tensor]
    velocities: list[Tensor]
    lr: float | Tensor
    param_groups: list[dict[str, Any]]

    def step(self) -> None: ...


class Several:
    """Optimizers for parts of the weights; parts: each with the places of its weights among all."""

    def __init__(self, parts: Sequence[tuple[Optimizer, Sequence[int]]]) -> None:
        self.optimizers = [optimizer for optimizer, _ in parts]
        weights = {i: weight for part, places in parts for i, weight in zip(places, part.weights, strict=True)}
        velocities = {i: v for part, places in parts for i, v in zip(places, part.velocities, strict=True)}
        self.weights = [weights[i] for i in range(len(weights))]
        self.velocities = [velocities[i] for i in range(len(weights))]
        self.lr: float | Tensor = 0.0
        self.param_groups = [{"params": self.weights}]

    def step(self) -> None:
        for optimizer in self.optimizers:
            optimizer.lr = self.lr
            optimizer.step()
