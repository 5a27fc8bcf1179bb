"""Learning rates by how often a weight is trained: a weight that few networks have learns faster."""

from itertools import product

import numpy as np
import torch
from torch import Tensor

from fastcifar.search import Params
from fastcifar.supernet.choices import Choices
from fastcifar.supernet.slices import part
from fastcifar.train import describe_network

POWERS = {"equal": 0.0, "sqrt": 0.5, "inverse": 1.0}
COUNTED = 1024  # points from which `activation` is counted: all of a space, or a random sample of a larger one


def activation(choices: Choices, num_classes: int) -> dict[str, Tensor]:
    """The probability that a drawn network has each weight of the full network: by path, of the weight's shape.

    With four equally likely widths, every network has the first channels and one in four has the last.
    """
    full = {path: weight.shape for path, weight in describe_network(choices.full, num_classes).path_parameters()}
    counts = {path: torch.zeros(shape) for path, shape in full.items()}
    points = _points(choices)
    for params in points:
        network = describe_network(choices.of(params), num_classes)
        for path, weight in network.path_parameters():
            counts[path][part(full[path], weight.shape)] += 1
    return {path: count / len(points) for path, count in counts.items()}


def activation_rates(choices: Choices, num_classes: int, rates: str) -> dict[str, Tensor] | None:
    """Factors of the learning rates, by path, each of its weight's shape, from the weights' `activation` p.

    rates: `inverse` (1/p), `sqrt` (the root of 1/p), or `equal`, for which the answer is None: all factors are 1.
    A weight that none of the COUNTED drawn points has counts as if one of them had it.
    """
    if POWERS[rates] == 0:
        return None
    chances = activation(choices, num_classes)
    return {path: p.clamp(min=1 / COUNTED) ** -POWERS[rates] for path, p in chances.items()}


def _points(choices: Choices) -> list[Params]:
    if float(np.prod([len(values) for values in choices.varied.values()], dtype=float)) <= COUNTED:
        return [
            choices.largest | dict(zip(choices.varied, values, strict=True))
            for values in product(*choices.varied.values())
        ]
    rng = np.random.default_rng(0)
    return [choices.draw(rng) for _ in range(COUNTED)]
