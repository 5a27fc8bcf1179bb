"""Muon: momentum whose steps are orthogonalised (Jordan 2024; KellerJordan/cifar10-airbench, `airbench94_muon.py`)."""

from collections.abc import Sequence

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration: as steep at zero as it may be
EPS = 1e-7


def orthogonalize(matrices: Tensor, steps: int, dtype: torch.dtype) -> Tensor:
    """Bring the singular values of each matrix (B, M, N) near 1, within about 0.5 to 1.5 for those not tiny.

    Newton-Schulz iterations on the matrix over its Frobenius norm, in `dtype`; the singular vectors stay.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if tall else matrices).to(matrices.dtype if dtype == torch.float16 else dtype)
    x = newton_schulz(over_norm(x, x.float().norm(dim=(1, 2), keepdim=True) + EPS, dtype), steps)
    return x.mT if tall else x


def over_norm(x: Tensor, norms: Tensor, dtype: torch.dtype) -> Tensor:
    """The matrices x over their norms (B, 1, 1) in fp32, in `dtype`; fp16 may not hold a norm."""
    return (x.float() / norms).to(dtype) if dtype == torch.float16 else x / norms.to(dtype)


def newton_schulz(x: Tensor, steps: int) -> Tensor:
    """The iterations alone, on matrices (B, M, N) that are not taller than wide and have the norm 1."""
    a, b, c = COEFFICIENTS
    for _ in range(steps):
        square = x @ x.mT
        polynomial = torch.baddbmm(square, square, square, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return x


class Muon:
    """Muon over convolutions' weights (out, in, k, k), each as a matrix (out, in k k), those of one shape together.

    Before a step a weight is brought to the norm sqrt(out), so that the rate alone decides how far it turns; there is
    no weight decay. factors: of the learning rate, one for each weight. `BatchedMuon` does the same in fewer launches.
    """

    def __init__(
        self, weights: Sequence[Tensor], *, factors: Sequence[float], momentum: float, steps: int, dtype: torch.dtype
    ) -> None:
        self.weights = list(weights)
        self.velocities = [torch.zeros_like(weight) for weight in self.weights]
        self.factors, self.momentum, self.steps, self.dtype = list(factors), momentum, steps, dtype
        self.lr: float | Tensor = 0.0
        self.param_groups = [{"params": self.weights}]

    @torch.no_grad()
    def step(self) -> None:
        """Change the weights by one step at the rate `lr` times each factor."""
        lr = float(self.lr)
        live = [i for i, weight in enumerate(self.weights) if weight.grad is not None]
        weights, velocities = [self.weights[i] for i in live], [self.velocities[i] for i in live]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        torch._foreach_mul_(velocities, self.momentum)
        torch._foreach_add_(velocities, gradients)
        torch._foreach_add_(gradients, velocities, alpha=self.momentum)
        norms = torch._foreach_norm(weights)
        scales = [len(weight) ** 0.5 / norm for weight, norm in zip(weights, norms, strict=True)]
        torch._foreach_mul_(weights, scales)
        for shape in dict.fromkeys(weight.shape for weight in weights):
            places = [i for i, weight in enumerate(weights) if weight.shape == shape]
            # Channels last, the input channels are side by side: this order of the columns needs no copy.
            flat = torch.stack([gradients[i].permute(0, 2, 3, 1).flatten(1) for i in places])
            updates = orthogonalize(flat, self.steps, self.dtype)
            n, k, h, w = shape
            for i, update in zip(places, updates, strict=True):
                turned = update.view(n, h, w, k).permute(0, 3, 1, 2)
                weights[i].add_(turned, alpha=-lr * self.factors[live[i]])
