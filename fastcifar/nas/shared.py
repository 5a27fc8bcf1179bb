"""One set of weights for all networks of a space: each network is constructed, and given its part of them."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from fastcifar.nas.model import ModelSpace
from fastcifar.search import Params
from fastcifar.supernet.slices import part

BETAS, EPSILON = (0.9, 0.999), 1e-8  # of Adam


class SharedWeights:
    """The weights, and Adam's memory of them, by the place in the network and the option that they belong to.

    What two networks have at one place in one layer option is the same weights: of the smaller network the first
    channels, and the middle of a kernel. They grow when a larger network comes.
    """

    def __init__(self, space: ModelSpace, device: torch.device) -> None:
        self.space, self.device = space, device
        self.weights: dict[str, Tensor] = {}
        self._means: dict[str, Tensor] = {}
        self._squares: dict[str, Tensor] = {}
        self._steps: dict[str, int] = {}

    def network(self, sample: Params) -> nn.Module:
        """The network of a sample; its parameters are parts of the shared weights.

        Raises ValueError where a layer cannot share its weights with those of other samples.
        """
        network = self.space.network(sample).to(self.device)
        for key, parameter in keyed_parameters(network):
            shared = self._room(key, parameter, sample)
            parameter.data = shared[part(shared.shape, parameter.shape)]
        return network

    @torch.no_grad()
    def step(self, network: nn.Module, lr: float) -> None:
        """A step of Adam for the weights that `network` has, by their gradients; all others stay as they are."""
        for key, parameter in keyed_parameters(network):
            if parameter.grad is None:
                continue
            where = part(self.weights[key].shape, parameter.shape)
            mean, square = self._means[key][where], self._squares[key][where]
            self._steps[key] += 1
            mean.lerp_(parameter.grad, 1 - BETAS[0])
            square.lerp_(parameter.grad**2, 1 - BETAS[1])
            unbiased = [1 - beta ** self._steps[key] for beta in BETAS]
            parameter.data.sub_(lr * (mean / unbiased[0]) / ((square / unbiased[1]).sqrt() + EPSILON))

    def _room(self, key: str, parameter: nn.Parameter, sample: Params) -> Tensor:
        """The shared weights of a place, at least as large as the parameter; what is new is as the parameter has it."""
        known = self.weights.get(key)
        if known is None:
            known = self.weights[key] = parameter.detach().clone()
            self._means[key], self._squares[key] = torch.zeros_like(known), torch.zeros_like(known)
            self._steps[key] = 0
        if known.ndim != parameter.ndim or known.dtype != parameter.dtype:
            raise ValueError(
                f"{key}: one-shot cannot share weights of shape {tuple(parameter.shape)}, in {sample}, with weights of "
                f"shape {tuple(known.shape)}; make it a LayerChoice"
            )
        size = [max(a, b) for a, b in zip(known.shape, parameter.shape, strict=True)]
        if list(known.shape) != size:
            for tensors in (self.weights, self._means, self._squares):
                larger = torch.zeros(size, dtype=known.dtype, device=known.device)
                if tensors is self.weights:
                    larger[part(size, parameter.shape)] = parameter.detach()
                larger[part(size, known.shape)] = tensors[key]
                tensors[key] = larger
        return self.weights[key]


def keyed_parameters(network: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Each parameter, and the key of its weights: its path, and the layer options that it lies in."""
    options = {
        name: "{}={}".format(*module.nas_option)
        for name, module in network.named_modules()
        if hasattr(module, "nas_option")
    }
    for name, parameter in network.named_parameters():
        within = [said for place, said in options.items() if place == "" or name.startswith(f"{place}.")]
        yield " ".join([name, *within]), parameter


@torch.no_grad()
def calibrate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set the statistics of a network's batch norms to their means over batches of inputs; leave it evaluating."""
    network.eval()
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a mean over all batches
        norm.train()
    for inputs in batches:
        network(inputs)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    network.eval()
