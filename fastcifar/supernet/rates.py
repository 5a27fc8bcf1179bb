"""Learning rates by how often a weight is in a network that is drawn: the seldom trained learn faster."""

from itertools import product

import numpy as np
import torch
from torch import Tensor

from fastcifar.search import Params
from fastcifar.supernet.choices import Choices
from fastcifar.supernet.slices import part
from fastcifar.train import describe_network

POWERS = {"equal": 0.0, "sqrt": 0.5, "inverse": 1.0}
MOST = 1024  # points that are counted; of a larger space, as many that are drawn


def activation(choices: Choices, num_classes: int) -> dict[str, Tensor]:
    """How likely each weight of the full network is in a network that `choices` draws: by path, of the weight's shape.

    Of width j of four equally likely ones the first channels are always in, the last in one of four.
    """
    full = {path: weight.shape for path, weight in describe_network(choices.full, num_classes).path_parameters()}
    counts = {path: torch.zeros(shape) for path, shape in full.items()}
    points = _points(choices)
    for params in points:
        network = describe_network(choices.of(params), num_classes)
        for path, weight in network.path_parameters():
            counts[path][part(full[path], weight.shape)] += 1
    return {path: count / len(points) for path, count in counts.items()}


def rate_factors(choices: Choices, num_classes: int, rates: str) -> dict[str, Tensor] | None:
    """Factors of the learning rates, by path and of the weights' shapes, from the weights' `activation` p.

    `inverse`: 1/p. `sqrt`: its root. None where they are all 1 (`equal`). A weight that none of MOST drawn points has
    counts as one of theirs.
    """
    if POWERS[rates] == 0:
        return None
    chances = activation(choices, num_classes)
    return {path: p.clamp(min=1 / MOST) ** -POWERS[rates] for path, p in chances.items()}


def _points(choices: Choices) -> list[Params]:
    if float(np.prod([len(values) for values in choices.varied.values()], dtype=float)) <= MOST:
        return [
            choices.largest | dict(zip(choices.varied, values, strict=True))
            for values in product(*choices.varied.values())
        ]
    rng = np.random.default_rng(0)
    return [choices.draw(rng) for _ in range(MOST)]
