"""One step of a supernet: the gradients of a few of its networks, and the change of the weights that these have."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from fastcifar.supernet.slices import part
from fastcifar.supernet.supernet import Member, Supernet
from fastcifar.train.loop import backward_scaled, copy_masters
from fastcifar.train.sgd import nesterov_step


def gradients(
    supernet: Supernet, members: Sequence[Member], images: Tensor, labels: Tensor, label_smoothing: float, distil: bool
) -> tuple[Tensor, Tensor]:
    """Fill the gradients of `members`, of the loss times its scale; return the first one's logits and summed loss.

    distil: all but the first learn the probabilities that the first gives, not the labels (Yu and Huang 2019).
    """
    first: tuple[Tensor, Tensor] | None = None
    for member in members:
        for parameter in member.network.parameters():
            parameter.grad = None
        logits = supernet.logits(member, images)
        if first is None or not distil:
            loss = F.cross_entropy(logits, labels, reduction="sum", label_smoothing=label_smoothing)
        else:
            loss = F.cross_entropy(logits, first[0].softmax(1), reduction="sum")
        backward_scaled(supernet.state.precision, loss)
        first = first or (logits.detach(), loss.detach())
    assert first is not None
    return first


@torch.no_grad()
def update(supernet: Supernet, members: Sequence[Member], lr: float, factors: Mapping[str, Tensor] | None) -> None:
    """Change the weights that `members` have, each by the mean of the gradients that reach it.

    Of several members the first has all that the others have. What none has keeps its value and its velocity: neither
    gradient nor momentum nor weight decay reach it. lr: of the summed loss. factors: of the rate, by path, of the
    weights' shapes.
    """
    optimizer = supernet.optimizer
    for index, path in enumerate(supernet.trained):
        if path not in members[0].parts:
            continue
        box = members[0].parts[path]
        gradient = _mean([member.gradient(path) for member in members if path in member.parts])
        rate = lr * optimizer.factors[index]
        nesterov_step(
            optimizer.weights[index][box],
            gradient.to(optimizer.weights[index].dtype),
            optimizer.velocities[index][box],
            lr=rate if factors is None else rate * factors[path][box],
            weight_decay=optimizer.weight_decay[index],
            momentum=optimizer.momentum,
        )
    copy_masters(supernet.state)
    for member in members:  # which are kept, for the next time that they are drawn
        for weight in member.weights.values():
            weight.grad = None


def _mean(gradients: Sequence[Tensor]) -> Tensor:
    """The mean gradient of each weight, over those that have it; the first has them all."""
    first, *others = gradients
    if not others:
        return first
    total, count = first.float(), torch.ones_like(first, dtype=torch.float32)  # fp16 might overflow
    total = total.clone() if total is first else total
    for gradient in others:
        where = part(first.shape, gradient.shape)
        total[where] += gradient
        count[where] += 1
    return total / count
