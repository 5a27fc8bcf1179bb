"""One set of weights for all networks of a space: each network is constructed, and given its part of them."""

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
SLICED = (_ConvNd, nn.Linear, _BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.Embedding, nn.PReLU)  # by their first channels


class SharedWeights:
    """The weights, and Adam's memory of them, by the place in the network and the options that they belong to.

    What two networks have at one place in one option is the same weights: of the smaller network the first channels,
    and of a convolution's kernel the middle. They grow when a larger network comes.
    """

    def __init__(self, space: ModelSpace, device: torch.device) -> None:
        self.space, self.device = space, device
        self.weights: dict[str, Tensor] = {}
        self._buffers: dict[str, Tensor] = {}  # but for the statistics of batch norms
        self._means: dict[str, Tensor] = {}
        self._squares: dict[str, Tensor] = {}
        self._steps: dict[str, int] = {}

    def network(self, sample: Params) -> nn.Module:
        """The network of a sample; its parameters are parts of the shared weights.

        Raises ValueError where a layer cannot share its weights with those of other samples.
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
        """A step of Adam for the weights that `network` has, by their gradients; all others stay as they are."""
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
        """The shared weights of a place, at least as large as the parameter; what is new is as the parameter begins."""
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
    """Each parameter with the key of its weights (its path, and the options that it lies in), and its module."""
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
    """Whether a smaller layer is the first channels of a larger one; of groups it is where each has one channel."""
    if isinstance(module, _ConvNd) and module.groups > 1:
        return module.groups == module.in_channels == module.out_channels
    return isinstance(module, SLICED)


def _part(module: nn.Module, full: Tensor, wanted: Tensor) -> Part:
    if isinstance(module, _ConvNd):
        return part(full.shape, wanted.shape)
    return tuple(slice(0, size) for size in wanted.shape)
