"""DARTS: mix the options of each choice, and learn the mixture (Liu et al. 2018, first order)."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastcifar.nas.evaluator import Classification, LabelledBatches, find_device, on_device
from fastcifar.nas.model import ModelSpace
from fastcifar.nas.nn import Candidates, ChosenInputs, options_of
from fastcifar.nas.ranked import Ranked, calibration, module_tensors, named, try_options
from fastcifar.nas.trial import copied
from fastcifar.net import calibrate
from fastcifar.rules import above, whole
from fastcifar.search import Params


@dataclass(frozen=True, kw_only=True)
class DARTS:
    """Alternates a step of the weights on a training batch and a step of the mixture on a validation batch, by Adam.

    The score of a network is its probability. choice_lr: learning rate of the mixture. kept: number of networks in the
    ranking.
    """

    choice_lr: float = 0.02
    kept: int = 10

    def __post_init__(self) -> None:
        above(0)("choice_lr", self.choice_lr)
        whole(1)("kept", self.kept)

    def check(self, space: ModelSpace) -> None:
        """Raise ValueError for a choice that cannot be mixed."""
        for choice in space.choices.values():
            if choice.kind in ("value", "repeat") or any(isinstance(option, list) for option in choice.options):
                raise ValueError(
                    f"{choice.label}: DARTS mixes layers, and single inputs; a {choice.kind} choice of "
                    f"{list(choice.options)} cannot be mixed: SinglePath can share it"
                )

    def run(self, space: ModelSpace, evaluator: Classification, seed: int) -> list[Ranked]:
        """Train; return the ranking, the most probable network first."""
        try_options(space, evaluator)
        device = find_device(evaluator.device)
        network = space.model(*space.args, **space.named).to(device)
        mixture = {
            label: torch.zeros(len(one.options), device=device, requires_grad=True)
            for label, one in space.choices.items()
        }
        weights = torch.optim.Adam(network.parameters(), lr=evaluator.lr)
        choices = torch.optim.Adam(list(mixture.values()), lr=self.choice_lr, betas=(0.5, 0.999))
        valid = _again(evaluator.valid, device)
        for epoch in range(evaluator.epochs):
            for batch in on_device(evaluator.train, device, epoch):
                for (inputs, labels), optimizer in ((batch, weights), (next(valid), choices)):
                    _mix(network.train(), mixture)
                    weights.zero_grad()
                    choices.zero_grad()
                    F.cross_entropy(network(inputs), labels).backward()
                    optimizer.step()
        return self._ranking(space, module_tensors(network), mixture, calibration(evaluator, device))

    def _ranking(
        self, space: ModelSpace, trained: Mapping[str, Tensor], mixture: Mapping[str, Tensor], inputs: Sequence[Tensor]
    ) -> list[Ranked]:
        """The most probable networks, each with statistics measured on `inputs`."""
        logs = {label: torch.log_softmax(values.detach(), 0).tolist() for label, values in mixture.items()}
        best: list[tuple[float, Params]] = [(0.0, {})]
        for label, choice in space.choices.items():
            options = list(zip(choice.options, logs[label], strict=True))
            longer = [(log + more, {**sample, label: option}) for option, more in options for log, sample in best]
            best = sorted(longer, key=lambda pair: -pair[0])[: self.kept]
        ranked = []
        for log, sample in best:
            with named(sample):
                network = space.network(sample).to(inputs[0].device)
                network.load_state_dict(_taken_out(space, network, trained))
                calibrate(network, network, inputs)
            ranked.append(Ranked(sample=sample, score=math.exp(log), weights=copied(network)))
        return ranked


def _again(batches: LabelledBatches, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches on a device, again and again."""
    for epoch in itertools.count():
        yield from on_device(batches, device, epoch)


def _mix(network: nn.Module, mixture: Mapping[str, Tensor]) -> None:
    """Set the mixture of each choice. mixture: logits (options,) by label."""
    for module in network.modules():
        if isinstance(module, (Candidates, ChosenInputs)):
            module.mixture = mixture[module.label].softmax(0)


def _taken_out(space: ModelSpace, network: nn.Module, trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a sample's network, from the mixed network's, which has a level of options at each choice."""
    places = {name: options_of(module) for name, module in network.named_modules(remove_duplicate=False)}
    state = {}
    for name in network.state_dict():
        mixed, place = [], ""
        for piece in name.split("."):
            mixed.append(piece)
            place = f"{place}.{piece}" if place else piece
            for label, option in reversed(places.get(place, ())):  # the outermost choice first
                mixed.append(str(space.choices[label].options.index(option)))
        state[name] = trained[".".join(mixed)].detach().clone()
    return state
