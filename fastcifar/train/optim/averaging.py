"""Averages of the weights over the last steps, that the training goes on from."""

from collections.abc import Sequence

import torch
from torch import Tensor

AVERAGING = ("none", "lookahead", "tail")


class Average:
    """The running mean of `tensors` (weights and statistics), which from time to time takes their place.

    kind: `lookahead` (Zhang et al. 2019, as KellerJordan/cifar10-airbench has it) averages all along, with a weight of
        the old mean that grows with the third power of the progress, from 0 to `decay`, and ends at the mean; `tail`
        averages from step `tail_start` on, with the weight `decay`.
    every: steps between two averages. total: steps of the whole training.
    """

    def __init__(
        self, kind: str, tensors: Sequence[Tensor], *, every: int, decay: float, tail_start: int, total: int
    ) -> None:
        self.tensors, self.mean = list(tensors), [torch.zeros_like(tensor) for tensor in tensors]
        self.lookahead, self.every, self.decay, self.total = kind == "lookahead", every, decay, total
        self._groups: list[tuple[list[Tensor], list[Tensor]]] = []  # one launch takes many tensors of one format
        for dtype in dict.fromkeys(tensor.dtype for tensor in self.tensors):
            mean, own = ([one for one in some if one.dtype == dtype] for some in (self.mean, self.tensors))
            self._groups.append((mean, own))
        self.start = 0 if self.lookahead else tail_start

    @torch.no_grad()
    def begin(self) -> None:
        """The mean starts at the tensors as they are."""
        for mean, tensors in self._groups:
            torch._foreach_copy_(mean, tensors)

    @torch.no_grad()
    def after(self, step: int) -> bool:
        """Take note of the tensors after `step` (from 1); True where they were changed."""
        last = step == self.total
        if step == self.start:
            self.begin()
        regular = step > self.start and (step - self.start) % self.every == 0
        if not regular and not (last and step > self.start):
            return False
        if regular or not self.lookahead:  # lookahead ends at the mean, whether it is due or not
            decay = self.decay * (step / self.total) ** 3 if self.lookahead else self.decay
            for mean, tensors in self._groups:
                torch._foreach_lerp_(mean, tensors, 1 - decay)
        for mean, tensors in self._groups:
            torch._foreach_copy_(tensors, mean)
        return True
