"""Strategies that train all networks of a space in one set of weights, and end in a ranking."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastcifar.nas.evaluator import Batches, Classification, accuracy, find_device, on_device
from fastcifar.nas.model import ModelSpace
from fastcifar.nas.nn import Candidates, ChosenInputs
from fastcifar.nas.shared import SharedWeights, calibrate
from fastcifar.search import Params

CHECKED = 16  # samples whose weights are shared for a try
CALIBRATION = 8  # training batches for the statistics of a network's batch norms


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A network of a ranking. score: more is better. weights: as its `load_state_dict` takes them."""

    sample: Params
    score: float
    weights: Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class SinglePath:
    """Each step trains one network, drawn uniformly, in its part of the shared weights (Guo et al. 2019, SPOS).

    ranked: networks that are scored at the end, by their accuracy on the validation batches in percent: all of a space
    that has no more, else as many drawn ones. kept: of the best, with their weights.
    """

    ranked: int = 256
    kept: int = 10

    def check(self, space: ModelSpace) -> None:
        """Raise ValueError where the layers of some samples cannot share their weights."""
        shared = SharedWeights(space, torch.device("cpu"))
        for number in range(CHECKED):
            shared.network(drawn(space, np.random.default_rng([0, number])))

    def run(self, space: ModelSpace, evaluator: Classification, seed: int) -> list[Ranked]:
        """Train, and rank: the best first. Raises ValueError for a sample whose network fails, named."""
        device = find_device(evaluator.device)
        shared = SharedWeights(space, device)
        numbers = itertools.count()
        for _ in range(evaluator.epochs):
            for inputs, labels in on_device(evaluator.train, device):
                sample = drawn(space, np.random.default_rng([seed, next(numbers)]))
                network = shared.network(sample).train()
                try:
                    F.cross_entropy(network(inputs), labels).backward()
                except (RuntimeError, TypeError, ValueError) as error:
                    raise ValueError(f"the network of {sample} fails: {error}") from error
                shared.step(network, evaluator.lr)
        scored = []
        for sample in self._samples(space, seed):
            network = _measured(shared, sample, evaluator.train, device)
            scored.append((accuracy(network, on_device(evaluator.valid, device)), sample))
        scored.sort(key=lambda pair: -pair[0])
        return [
            Ranked(
                sample=sample,
                score=score,
                weights=_measured(shared, sample, evaluator.train, device).state_dict() if place < self.kept else {},
            )
            for place, (score, sample) in enumerate(scored)
        ]

    def _samples(self, space: ModelSpace, seed: int) -> list[Params]:
        if space.space.size() <= self.ranked:
            return [space.space.decode(row) for row in space.space.points()]
        rows = space.space.sample(np.random.default_rng(seed), self.ranked)
        return [space.space.decode(row) for row in np.unique(rows, axis=0)]


@dataclass(frozen=True, kw_only=True)
class DARTS:
    """Mixes the options of each layer and input choice by weights that are trained too (Liu et al. 2018, first order).

    In turn a step of the weights on a training batch and a step of the mixture on a validation batch. A network's score
    is its probability. choice_lr: of the mixture. kept: networks of the ranking.
    """

    choice_lr: float = 0.02
    kept: int = 10

    def check(self, space: ModelSpace) -> None:
        """Raise ValueError for a choice that cannot be mixed."""
        for choice in space.choices.values():
            if choice.kind in ("value", "repeat") or any(isinstance(option, list) for option in choice.options):
                raise ValueError(
                    f"{choice.label}: DARTS mixes layers, and single inputs; a {choice.kind} choice of "
                    f"{list(choice.options)} cannot be mixed: SinglePath can share it"
                )

    def run(self, space: ModelSpace, evaluator: Classification, seed: int) -> list[Ranked]:
        """Train, and rank: the most probable first."""
        device = find_device(evaluator.device)
        network = space.model(*space.args, **space.named).to(device)
        mixture = {
            label: torch.zeros(len(one.options), device=device, requires_grad=True)
            for label, one in space.choices.items()
        }
        weights = torch.optim.Adam(network.parameters(), lr=evaluator.lr)
        choices = torch.optim.Adam(list(mixture.values()), lr=self.choice_lr, betas=(0.5, 0.999))
        for _ in range(evaluator.epochs):
            valid = itertools.cycle(on_device(evaluator.valid, device))
            for batch in on_device(evaluator.train, device):
                for (inputs, labels), optimizer in ((batch, weights), (next(valid), choices)):
                    _mix(network.train(), mixture)
                    weights.zero_grad()
                    choices.zero_grad()
                    F.cross_entropy(network(inputs), labels).backward()
                    optimizer.step()
        return self._ranking(space, network, mixture)

    def _ranking(self, space: ModelSpace, network: nn.Module, mixture: Mapping[str, Tensor]) -> list[Ranked]:
        """The most probable networks."""
        logs = {label: torch.log_softmax(values.detach(), 0).tolist() for label, values in mixture.items()}
        best: list[tuple[float, Params]] = [(0.0, {})]
        for label, choice in space.choices.items():
            options = zip(choice.options, logs[label], strict=True)
            longer = [(log + more, {**sample, label: option}) for option, more in options for log, sample in best]
            best = sorted(longer, key=lambda pair: -pair[0])[: self.kept]
        trained = dict(network.named_parameters()) | dict(network.named_buffers())
        return [
            Ranked(sample=sample, score=math.exp(log), weights=_taken_out(space, sample, trained))
            for log, sample in best
        ]


def drawn(space: ModelSpace, rng: np.random.Generator) -> Params:
    """A sample drawn uniformly."""
    return {label: one.options[rng.integers(len(one.options))] for label, one in space.choices.items()}


def _measured(shared: SharedWeights, sample: Params, train: Batches, device: torch.device) -> nn.Module:
    """A sample's network with a copy of its weights and its own statistics."""
    network = shared.network(sample)
    for parameter in network.parameters():
        parameter.data = parameter.data.clone()
    calibrate(network, (inputs for inputs, _ in itertools.islice(on_device(train, device), CALIBRATION)))
    return network


def _mix(network: nn.Module, mixture: Mapping[str, Tensor]) -> None:
    """Let each choice be the mixture of its options."""
    for module in network.modules():
        if isinstance(module, (Candidates, ChosenInputs)):
            module.mixture = mixture[module.label].softmax(0)


def _taken_out(space: ModelSpace, sample: Params, trained: Mapping[str, Tensor]) -> dict[str, Any]:
    """The weights that a sample's network has in the mixed one: those of a layer's option lie under its place."""
    network = space.network(sample)
    places = {name: module.nas_option for name, module in network.named_modules() if hasattr(module, "nas_option")}
    state = {}
    for name in network.state_dict():
        mixed, place = [], ""
        for piece in name.split("."):
            mixed.append(piece)
            place = f"{place}.{piece}" if place else piece
            if place in places:
                label, option = places[place]
                mixed.append(str(space.choices[label].options.index(option)))
        state[name] = trained[".".join(mixed)].detach().clone()
    return state
