"""Which networks a step trains."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastcifar.search import Params
from fastcifar.supernet.choices import Choices
from fastcifar.train import Recipe

METHODS = ("fair", "uniform", "sandwich", "sandwich-labels")
RANDOM = 2  # networks between the largest and the smallest


def distils(method: str) -> bool:
    """Whether the networks of a step learn from the first of them."""
    return method == "sandwich"


def drawn(choices: Choices, method: str, seed: int, step: int) -> list[Recipe]:
    """The networks of a step (from 0), all different: a function of the arguments, so that nothing has to be kept.

    uniform: one, drawn anew (Guo et al. 2019, single path one-shot).
    fair: one, so that of each choice all values come equally often: each in every len(values) steps (after Chu et al.
        2019, FairNAS, which sums the gradients of such a round).
    sandwich: the full network, the smallest, and two drawn (Yu and Huang 2019, universally slimmable networks); all but
        the first learn what the first says. sandwich-labels: they learn the labels.
    """
    if method == "fair":
        return [choices.of(choices.largest | fair(choices.varied, seed, step))]
    rng = np.random.default_rng([seed, step])
    if method == "uniform":
        return [choices.of(choices.draw(rng))]
    between = [choices.of(choices.draw(rng)) for _ in range(RANDOM)]
    return list(dict.fromkeys([choices.full, choices.of(choices.smallest), *between]))


def fair(values: Mapping[str, Sequence[Any]], seed: int, step: int) -> Params:
    """The value of each choice at a step: the choice's values in turn, in an order that is shuffled for each round."""
    params: Params = {}
    for number, (key, options) in enumerate(values.items()):
        turn, place = divmod(step, len(options))
        order = np.random.default_rng([seed, number, turn]).permutation(len(options))
        params[key] = options[order[place]]
    return params
