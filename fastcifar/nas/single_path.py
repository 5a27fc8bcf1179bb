"""Single path one-shot: each step trains one network, which is a part of the shared weights (Guo et al. 2019, SPOS)."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastcifar.nas.evaluator import Classification, accuracy, find_device, on_device
from fastcifar.nas.model import ModelSpace
from fastcifar.nas.ranked import Ranked, calibration, named, try_options
from fastcifar.nas.shared import SharedWeights
from fastcifar.nas.trial import copied
from fastcifar.net import calibrate
from fastcifar.rules import whole
from fastcifar.search import Params

CHECKED = 16  # samples that `check` makes


@dataclass(frozen=True, kw_only=True)
class SinglePath:
    """Each step trains one network, drawn uniformly.

    ranked: number of networks that are scored at the end, by accuracy on the validation batches in percent. A space
        that has no more is scored whole, of a larger one a sample without repeats.
    kept: number of networks, the best ones, whose weights are kept.
    """

    ranked: int = 256
    kept: int = 10

    def __post_init__(self) -> None:
        whole(1)("ranked", self.ranked)
        whole(1)("kept", self.kept)

    def check(self, space: ModelSpace) -> None:
        """Raise ValueError where the layers of some samples cannot share their weights."""
        shared = SharedWeights(space, torch.device("cpu"))
        for number in range(CHECKED):
            shared.network(drawn(space, np.random.default_rng([0, number])))

    def run(self, space: ModelSpace, evaluator: Classification, seed: int) -> list[Ranked]:
        """Train; return the ranking, the best first. Raises ValueError, with the sample, where a network fails."""
        try_options(space, evaluator)
        device = find_device(evaluator.device)
        shared = SharedWeights(space, device)
        numbers = itertools.count()
        for epoch in range(evaluator.epochs):
            for inputs, labels in on_device(evaluator.train, device, epoch):
                sample = drawn(space, np.random.default_rng([seed, next(numbers)]))
                with named(sample):
                    network = shared.network(sample).train()
                    F.cross_entropy(network(inputs), labels).backward()
                shared.step(network, evaluator.lr)
        measured_on = calibration(evaluator, device)
        scored = []
        for sample in self._samples(space, seed):
            with named(sample):
                network = _measured(shared, sample, measured_on)
                scored.append((accuracy(network, on_device(evaluator.valid, device)), sample))
        scored.sort(key=lambda pair: -pair[0])
        best = [copied(_measured(shared, sample, measured_on)) for _, sample in scored[: self.kept]]
        weights = itertools.chain(best, itertools.repeat({}))
        return [Ranked(sample=one, score=score, weights=w) for (score, one), w in zip(scored, weights, strict=False)]

    def _samples(self, space: ModelSpace, seed: int) -> list[Params]:
        if space.space.size() <= self.ranked:
            return [space.space.decode(row) for row in space.space.points()]
        rng = np.random.default_rng(seed)
        rows: dict[bytes, np.ndarray] = {}
        while len(rows) < self.ranked:
            row = space.space.sample(rng)[0]
            rows.setdefault(row.tobytes(), row)
        return [space.space.decode(row) for row in rows.values()]


def drawn(space: ModelSpace, rng: np.random.Generator) -> Params:
    """A sample drawn uniformly."""
    return {label: one.options[rng.integers(len(one.options))] for label, one in space.choices.items()}


def _measured(shared: SharedWeights, sample: Params, inputs: Sequence[Tensor]) -> nn.Module:
    """A sample's network with a copy of its weights, calibrated on `inputs`."""
    network = shared.network(sample)
    for parameter in network.parameters():
        parameter.data = parameter.data.clone()
    calibrate(network, network, inputs)
    return network
