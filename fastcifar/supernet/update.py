"""One step of a supernet: the gradients of a few networks, and the update of the weights that these have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fastcifar.supernet.slices import part
from fastcifar.supernet.supernet import Member, Supernet
from fastcifar.train.optim.flat import flat, views
from fastcifar.train.optim.sgd import nesterov_step
from fastcifar.train.step.loop import backward_scaled, copy_masters


def gradients(
    supernet: Supernet, members: Sequence[Member], images: Tensor, labels: Tensor, label_smoothing: float, distil: bool
) -> tuple[Tensor, Tensor]:
    """Fill the gradients of `members`; return the first one's logits (B, num_classes) and summed loss.

    images (B, 3, 32, 32), labels (B,). The gradients are those of the loss times the scale of the precision.
    distil: all but the first learn the probabilities of the first instead of the labels (Yu and Huang 2019).
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


@dataclass(frozen=True, kw_only=True)
class Change:
    """The step of one tensor: the arguments of `nesterov_step`."""

    weight: Tensor
    gradient: Tensor
    velocity: Tensor
    lr: float | Tensor
    weight_decay: float


def one_by_one(changes: Sequence[Change], momentum: float) -> None:
    """Do all steps, one after the other."""
    for one in changes:
        nesterov_step(
            one.weight, one.gradient, one.velocity, lr=one.lr, weight_decay=one.weight_decay, momentum=momentum
        )


def all_at_once(changes: Sequence[Change], momentum: float) -> None:
    """`one_by_one` in fewer launches: tensors of equal format, decay and rate are copied to one vector and back."""
    groups: dict[tuple[torch.dtype, float, float | None], list[Change]] = {}
    for one in changes:
        rate = None if isinstance(one.lr, Tensor) else one.lr
        groups.setdefault((one.weight.dtype, one.weight_decay, rate), []).append(one)
    for (_, weight_decay, rate), group in groups.items():
        weights, velocities = [one.weight for one in group], [one.velocity for one in group]
        weight, velocity = flat(weights), flat(velocities)
        lr = flat([one.lr for one in group if isinstance(one.lr, Tensor)]) if rate is None else rate
        gradient = flat([one.gradient for one in group])
        nesterov_step(weight, gradient, velocity, lr=lr, weight_decay=weight_decay, momentum=momentum)
        torch._foreach_copy_([*weights, *velocities], [*views(weight, weights), *views(velocity, velocities)])


@torch.no_grad()
def update(supernet: Supernet, members: Sequence[Member], lr: float, factors: Mapping[str, Tensor] | None) -> None:
    """Change the weights that `members` have, each by the mean of its gradients in the members that have it.

    The first member contains all others. A weight that no member has keeps its value and its velocity: no gradient, no
    momentum and no weight decay is applied to it.
    lr: for the summed loss. factors: of the rate, by path, each of its weight's shape; None is 1 for all.
    """
    optimizer = supernet.optimizer
    changes = []
    for index, path in enumerate(supernet.trained):
        if path not in members[0].parts:
            continue
        box = members[0].parts[path]
        gradient = _mean([member.gradient(path) for member in members if path in member.parts])
        rate = lr * optimizer.factors[index]
        changes.append(
            Change(
                weight=optimizer.weights[index][box],
                gradient=gradient.to(optimizer.weights[index].dtype),
                velocity=optimizer.velocities[index][box],
                lr=rate if factors is None else rate * factors[path][box],
                weight_decay=optimizer.weight_decay[index],
            )
        )
    (one_by_one if supernet.device.type == "cpu" else all_at_once)(changes, optimizer.momentum)
    copy_masters(supernet.state)
    for member in members:  # they stay in the cache, and their gradients would take memory
        for weight in member.weights.values():
            weight.grad = None


def _mean(gradients: Sequence[Tensor]) -> Tensor:
    """The mean gradient of each weight over the tensors that have it. The others are parts of the first."""
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
