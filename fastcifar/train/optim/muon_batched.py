"""Muon in few launches, for a GPU: all kernels as one batch of matrices."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fastcifar.train.optim.flat import flat, views
from fastcifar.train.optim.muon import EPS, Muon, newton_schulz, over_norm


class BatchedMuon(Muon):
    """What `Muon` does, with every matrix padded by zeros to the same shape.

    A padded matrix has the same singular values and vectors, and zeros beside them, which stay zeros. Velocities and
    changes are one vector, as `flat` has it; `_spread` says where the numbers of the matrices are in it, `_gather`
    where its numbers are in the matrices. The weights share one format. lr may be a number or a tensor on the device.
    """

    def __init__(
        self, weights: Sequence[Tensor], *, factors: Sequence[float], momentum: float, steps: int, dtype: torch.dtype
    ) -> None:
        super().__init__(weights, factors=factors, momentum=momentum, steps=steps, dtype=dtype)
        device, total = self.weights[0].device, sum(weight.numel() for weight in self.weights)
        self._velocity = torch.zeros(total, dtype=self.weights[0].dtype, device=device)
        self.velocities = views(self._velocity, self.weights)
        self._look_ahead = torch.zeros(total + 1, dtype=dtype, device=device)  # the last is the zero to pad with
        spread, gather = _tables(self.weights)
        self._shape = spread.shape
        self._spread, self._gather = spread.view(-1).to(device), gather.to(device)
        sizes = torch.tensor([weight.numel() for weight in self.weights])
        self._owner = torch.repeat_interleave(torch.arange(len(sizes), dtype=torch.int32), sizes).to(device)
        self._downhill = -torch.tensor(self.factors, device=device)[:, None, None]
        self._roots = torch.tensor([len(weight) ** 0.5 for weight in self.weights], device=device)

    @torch.no_grad()
    def step(self) -> None:
        """Change the weights by one step at the rate `lr` times each factor."""
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        if len(gradients) < len(self.weights):
            super().step()
            return
        gradient = flat(gradients)
        torch.add(gradient, self._velocity, alpha=self.momentum, out=self._velocity)
        torch.add(gradient, self._velocity, alpha=self.momentum, out=self._look_ahead[:-1])
        matrices = self._look_ahead.index_select(0, self._spread).view(self._shape)
        norms = torch.linalg.vector_norm(matrices, dim=(1, 2), keepdim=True, dtype=torch.float32)
        turned = newton_schulz(over_norm(matrices, norms.add_(EPS), matrices.dtype), self.steps)
        self._scale()
        changes = torch.empty(self._shape, dtype=self._velocity.dtype, device=turned.device)
        torch.mul(turned, self._downhill * self.lr, out=changes)
        torch._foreach_add_(self.weights, views(changes.view(-1).index_select(0, self._gather), self.weights))

    def _scale(self) -> None:
        """Bring each weight to its norm."""
        norms = torch.stack(torch._foreach_norm(self.weights, 2, torch.float32))
        scales = (self._roots / norms).to(self._velocity.dtype).index_select(0, self._owner)
        torch._foreach_mul_(self.weights, views(scales, self.weights))


def _tables(weights: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Where the numbers of the padded matrices (B, M, N) are in the vector, and the other way round; int32.

    Matrices lie so that none is taller than wide: M is the most that the shorter sides have, N the longer ones. What
    pads comes from the place behind the vector's end.
    """
    shapes = [(len(weight), weight.numel() // len(weight)) for weight in weights]
    rows, columns = max(min(shape) for shape in shapes), max(max(shape) for shape in shapes)
    total = sum(weight.numel() for weight in weights)
    spread = torch.full((len(weights), rows, columns), total, dtype=torch.int32)
    places = torch.arange(spread.numel(), dtype=torch.int32).view(spread.shape)
    gather, begin = [], 0
    for number, (out, rest) in enumerate(shapes):
        own = torch.arange(begin, begin + out * rest, dtype=torch.int32).view(out, rest)
        there = (number, slice(min(out, rest)), slice(max(out, rest)))
        spread[there] = own.T if out > rest else own
        gather.append((places[there].T if out > rest else places[there]).reshape(-1))
        begin += out * rest
    return spread, torch.cat(gather)
