"""One set of weights for all networks of a space: each network is constructed with its part of them."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy

from fastcifar.nas.model import ModelSpace
from fastcifar.nas.nn import options_of
from fastcifar.search import Params
from fastcifar.supernet.slices import Part, part

BETAS, EPSILON = (0.9, 0.999), 1e-8  # of Adam
# Layers whose first channels are a smaller layer of the same kind.
SLICED = (_ConvNd, nn.Linear, _BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.Embedding, nn.PReLU)


class SharedWeights:
    """The shared weights and Adam's moments of them, by their path in the network and the options that contain them.

    Two networks share the weights that have the same path and options. Of these a smaller layer has the first channels,
    and the middle of the kernel. The shared weights grow when a larger network is made.
    """

    def __init__(self, space: ModelSpace, device: torch.device) -> None:
        self.space, self.device = space, device
        self.weights: dict[str, Tensor] = {}
        self._buffers: dict[str, Tensor] = {}  # without those of batch norms
        self._means: dict[str, Tensor] = {}
        self._squares: dict[str, Tensor] = {}
        self._steps: dict[str, int] = {}

    def network(self, sample: Params) -> nn.Module:
        """The network of a sample; its parameters are views of parts of the shared weights.

        Raises ValueError where a layer cannot share its weights with other samples.
        """
        network = self.space.network(sample).to(self.device)
        for key, module, parameter in keyed_parameters(network):
            if is_lazy(parameter):
                raise ValueError(f"{key}: one-shot needs to know its shape; a lazy module cannot share its weights")
            shared = self._room(key, module, parameter, sample)
            parameter.data = shared[_part(module, shared, parameter)]
        for key, module, name, buffer in _keyed_buffers(network):
            known = self._buffers.setdefault(key, buffer)
            if known.shape != buffer.shape:
                raise ValueError(f"{key}: one-shot cannot share a buffer of another shape, in {sample}")
            setattr(module, name, known)
        return network

    @torch.no_grad()
    def step(self, network: nn.Module, lr: float) -> None:
        """A step of Adam for the weights that `network` has. All others stay as they are."""
        for key, module, parameter in keyed_parameters(network):
            if parameter.grad is None:
                continue
            where = _part(module, self.weights[key], parameter)
            mean, square = self._means[key][where], self._squares[key][where]
            self._steps[key] += 1
            mean.lerp_(parameter.grad, 1 - BETAS[0])
            square.lerp_(parameter.grad**2, 1 - BETAS[1])
            unbiased = [1 - beta ** self._steps[key] for beta in BETAS]
            parameter.data.sub_(lr * (mean / unbiased[0]) / ((square / unbiased[1]).sqrt() + EPSILON))

    def _room(self, key: str, module: nn.Module, parameter: nn.Parameter, sample: Params) -> Tensor:
        """The shared weights of a key, grown to at least the parameter's shape; new values are initialised like it."""
        known = self.weights.get(key)
        if known is None:
            known = self.weights[key] = parameter.detach().clone()
            self._means[key], self._squares[key] = torch.zeros_like(known), torch.zeros_like(known)
            self._steps[key] = 0
        if known.shape == parameter.shape and known.dtype == parameter.dtype:
            return known
        if known.ndim != parameter.ndim or known.dtype != parameter.dtype or not _can_be_sliced(module):
            raise ValueError(
                f"{key}: one-shot cannot share the weights of a {type(module).__name__} of shape "
                f"{tuple(parameter.shape)}, in {sample}, with shape {tuple(known.shape)}; make it a LayerChoice"
            )
        size = [max(a, b) for a, b in zip(known.shape, parameter.shape, strict=True)]
        if list(known.shape) != size:
            begin = parameter.detach()
            larger = begin.new_empty(size).normal_(float(begin.mean()), float(begin.std(correction=0)))
            larger[_part(module, larger, begin)] = begin
            for tensors, fresh in (
                (self.weights, larger),
                (self._means, torch.zeros_like(larger)),
                (self._squares, torch.zeros_like(larger)),
            ):
                fresh[_part(module, fresh, tensors[key])] = tensors[key]
                tensors[key] = fresh
        return self.weights[key]


def keyed_parameters(network: nn.Module) -> Iterator[tuple[str, nn.Module, nn.Parameter]]:
    """For each parameter: its key (its path and the options that contain it), its module, and itself."""
    options = {name: options_of(module) for name, module in network.named_modules() if options_of(module)}
    for name, parameter in network.named_parameters():
        yield _key(name, options), network.get_submodule(name.rpartition(".")[0]), parameter


def _keyed_buffers(network: nn.Module) -> Iterator[tuple[str, nn.Module, str, Tensor]]:
    options = {name: options_of(module) for name, module in network.named_modules() if options_of(module)}
    for name, buffer in network.named_buffers():
        owner, _, last = name.rpartition(".")
        module = network.get_submodule(owner)
        if not isinstance(module, _BatchNorm):
            yield _key(name, options), module, last, buffer


def _key(name: str, options: dict[str, tuple[tuple[str, str], ...]]) -> str:
    within = [said for place, said in options.items() if place == "" or name.startswith(f"{place}.")]
    return " ".join([name, *(f"{label}={option}" for said in within for label, option in said)])


def _can_be_sliced(module: nn.Module) -> bool:
    """Whether a smaller layer is the first channels of a larger one. With groups, only depthwise convolutions are."""
    if isinstance(module, _ConvNd) and module.groups > 1:
        return module.groups == module.in_channels == module.out_channels
    return isinstance(module, SLICED)


def _part(module: nn.Module, full: Tensor, wanted: Tensor) -> Part:
    if isinstance(module, _ConvNd):
        return part(full.shape, wanted.shape)
    return tuple(slice(0, size) for size in wanted.shape)
