"""SGD with Nesterov momentum as in davidcpage/cifar10-fast (`torch_backend.py`, `nesterov_update`).

The learning rate is inside the velocity, so that a change of rate does not rescale the steps already gathered;
torch.optim.SGD has it outside, which is another method as soon as the rate changes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from fastcifar.train.optim.flat import each, flat, views


def nesterov_step(
    weight: Tensor, gradient: Tensor, velocity: Tensor, *, lr: float | Tensor, weight_decay: float, momentum: float
) -> None:
    """One step of one tensor, in place: the plain form of what `SGD.step` does for all at once.

    lr: one rate, or one for each number of the weight.
    """
    change = -lr * (gradient + weight_decay * weight)
    velocity.mul_(momentum).add_(change)
    weight.add_(change + momentum * velocity)


class SGD:
    """Nesterov SGD over `weights` (see `Optimizer`), each with its factor of the learning rate and its weight decay."""

    def __init__(
        self, weights: Sequence[Tensor], *, factors: Sequence[float], weight_decay: Sequence[float], momentum: float
    ) -> None:
        self.weights = list(weights)
        self.velocities = [torch.zeros_like(weight) for weight in self.weights]
        self.factors, self.weight_decay, self.momentum = list(factors), list(weight_decay), momentum
        self.lr: float | Tensor = 0.0
        self.param_groups = [{"params": self.weights}]
        # One pass takes many tensors in one launch, but only tensors of one format.
        formats = dict.fromkeys(weight.dtype for weight in self.weights)
        self._groups = [[i for i, weight in enumerate(self.weights) if weight.dtype == f] for f in formats]

    @torch.no_grad()
    def step(self) -> None:
        """Change the weights by one step at the rate `lr` times each factor."""
        for group in self._groups:
            places = [i for i in group if self.weights[i].grad is not None]
            weights = [self.weights[i] for i in places]
            velocities = [self.velocities[i] for i in places]
            gradients = [weight.grad for weight in weights if weight.grad is not None]
            if not gradients:
                continue
            changes = self.changes(places, weights, gradients)
            torch._foreach_mul_(velocities, self.momentum)
            torch._foreach_add_(velocities, changes)
            torch._foreach_add_(changes, velocities, alpha=self.momentum)
            torch._foreach_add_(weights, changes)

    def changes(self, places: Sequence[int], weights: list[Tensor], gradients: list[Tensor]) -> list[Tensor]:
        """-lr (gradient + weight decay) of the weights at `places`; the gradients may be overwritten."""
        torch._foreach_add_(gradients, torch._foreach_mul(weights, [self.weight_decay[i] for i in places]))
        lr = float(self.lr)
        torch._foreach_mul_(gradients, [-lr * self.factors[i] for i in places])
        return gradients


class FlatSGD(SGD):
    """What `SGD` does, for a GPU: `lr` may be a tensor there, which a recorded step reads."""

    def __init__(
        self, weights: Sequence[Tensor], *, factors: Sequence[float], weight_decay: Sequence[float], momentum: float
    ) -> None:
        super().__init__(weights, factors=factors, weight_decay=weight_decay, momentum=momentum)
        self._vectors: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}

    def changes(self, places: Sequence[int], weights: list[Tensor], gradients: list[Tensor]) -> list[Tensor]:
        if (key := tuple(places)) not in self._vectors:
            factors, decay = [-self.factors[i] for i in places], [self.weight_decay[i] for i in places]
            self._vectors[key] = each(factors, weights), each(decay, weights)
        downhill, decays = self._vectors[key]
        found = torch.addcmul(flat(gradients), flat(weights), decays)
        out = torch.empty(found.shape, dtype=weights[0].dtype, device=found.device)
        return views(torch.mul(found, downhill * self.lr, out=out), weights)
