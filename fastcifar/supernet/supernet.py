"""Many networks in one set of weights: the parameters of each are views of parts of the full network's."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from fastcifar.net import BatchNorm, Network, convert
from fastcifar.search import Params
from fastcifar.supernet.choices import Choices
from fastcifar.supernet.slices import Part, part
from fastcifar.train import Recipe, describe_network
from fastcifar.train.build import build_state, init_weights
from fastcifar.train.optim.sgd import SGD
from fastcifar.train.step.loop import State, run_forward
from fastcifar.train.step.precision import Precision
from fastcifar.train.step.ways import make_forward

STEPS = ("eager", "fused")
CACHED = 512  # networks that are cached; each takes a few hundred KB of Python objects, and no weights


@dataclass(frozen=True, kw_only=True)
class Member:
    """One network of a supernet. Its parameters are views of the shared ones: changing them changes those.

    weights, parts: by path, the trained parameters, and the part of the shared parameter that each is.
    """

    network: Network
    forward: Callable[[Tensor], Tensor]  # images (B, 3, 32, 32) -> logits (B, num_classes)
    weights: Mapping[str, nn.Parameter]
    parts: Mapping[str, Part]

    def gradient(self, path: str) -> Tensor:
        """The gradient of a trained parameter, of its part's shape."""
        gradient = self.weights[path].grad
        assert gradient is not None
        return gradient


class Supernet:
    """The shared weights of all networks of `choices`, and the networks themselves.

    The forward pass is a function of images and point, `supernet(images, params)`; there is no active network. Batch
    norms of a member normalise by the batch; `frozen` makes networks whose batch norms have statistics.
    """

    def __init__(
        self, choices: Choices, num_classes: int, device: torch.device, precision: Precision, step: str
    ) -> None:
        if step not in STEPS:
            raise ValueError(f"step: a supernet runs {' or '.join(STEPS)}, not {step!r}")
        if precision.scale_loss:
            raise ValueError(
                f"precision: a supernet's loss is not scaled, as {precision.name} on a GPU needs it; take half"
            )
        self.choices, self.num_classes, self.step = choices, num_classes, step
        self.state: State = build_state(choices.full, num_classes, device, precision, "eager")
        self._members: dict[Recipe, Member] = {}

    def init(self, seed: int) -> None:
        """Initialise the shared weights as those of the full network."""
        init_weights(self.state, seed, identity=self.choices.full.identity_init, unit_head=self.choices.full.unit_head)

    def __call__(self, images: Tensor, params: Params) -> Tensor:
        """Logits (B, num_classes) of a point's network for images (B, 3, 32, 32), normalised by the batch."""
        return self.logits(self.member(self.choices.of(params)), images)

    def logits(self, member: Member, images: Tensor) -> Tensor:
        """Logits (B, num_classes) of a member, in fp32 where it computes in less."""
        return run_forward(dataclasses.replace(self.state, forward=member.forward), images)

    def member(self, recipe: Recipe) -> Member:
        """The network of a recipe of `choices`, in training mode. Raises ValueError where it is no part of the full."""
        member = self._members.pop(recipe, None) or self._member(recipe)
        self._members[recipe] = member  # at the end: the first is the one not used for longest
        if len(self._members) > CACHED:
            self._members.pop(next(iter(self._members)))
        return member

    @torch.no_grad()
    def frozen(self, recipe: Recipe) -> Network:
        """An ordinary network with a copy of its part of the weights. Its statistics still have to be measured."""
        network = self._empty(recipe)
        for path, parameter in network.path_parameters():
            parameter.copy_(self.shared[path][part(self.shared[path].shape, parameter.shape)])
        return network

    @property
    def device(self) -> torch.device:
        return next(self.state.network.parameters()).device

    @property
    def optimizer(self) -> SGD:
        optimizer = self.state.optimizer
        assert isinstance(optimizer, SGD)  # `Choices` refuses other optimizers
        return optimizer

    @cached_property
    def shared(self) -> dict[str, nn.Parameter]:
        """All parameters of the full network by path, also those that are not trained."""
        return dict(self.state.network.path_parameters())

    @cached_property
    def trained(self) -> list[str]:
        """Paths of the trained parameters, in the order of the optimizer's."""
        return [path for path, parameter in self.shared.items() if parameter.requires_grad]

    def _member(self, recipe: Recipe) -> Member:
        network = self._empty(recipe)
        parts: dict[str, Part] = {}
        for path, parameter in network.path_parameters():
            shared = self.shared[path].detach()
            parts[path] = part(shared.shape, parameter.shape)
            parameter.data = shared[parts[path]]
        weights = {path: parameter for path, parameter in network.path_parameters() if parameter.requires_grad}
        parts = {path: parts[path] for path in weights}
        return Member(network=network.train(), forward=make_forward(network, self.step), weights=weights, parts=parts)

    def _empty(self, recipe: Recipe) -> Network:
        """A network without values for its weights, in the formats of the shared ones, with reset statistics."""
        network = describe_network(recipe, self.num_classes)
        network.to_empty(device=self.device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        convert(network, self.state.precision.weights, self.state.precision.batch_norm)
        for module in network.modules():
            if isinstance(module, BatchNorm):
                module.reset_running_stats()
        return network
