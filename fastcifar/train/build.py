"""From a recipe to everything a run changes: network, optimizer, loss scale."""

import math
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastcifar.net import BatchNorm, Network, convert, resnet9
from fastcifar.train.loop import State, backward, evaluate, run_forward
from fastcifar.train.precision import Precision
from fastcifar.train.recipe import Recipe
from fastcifar.train.schedule import instead_factors, scale_factors
from fastcifar.train.sgd import SGD
from fastcifar.train.step import make_forward


def describe_network(recipe: Recipe, num_classes: int, leave_out: Sequence[str] | None = None) -> Network:
    """The recipe's network without memory for its weights (on torch's `meta` device), for counting and drawing."""
    with torch.device("meta"):  # no default initialisation either, which would draw from torch's global generator
        return Network(
            resnet9(
                recipe.channels,
                recipe.extra_layers,
                recipe.res_layers,
                recipe.ks,
                num_classes,
                recipe.logits_weight,
                recipe.leave_out if leave_out is None else leave_out,
            )
        )


def build_state(recipe: Recipe, num_classes: int, device: torch.device, precision: Precision, step: str) -> State:
    """Make the network, its weights not yet set, and the optimizer over them.

    Raises RecipeError where lr_scale or lr_instead do not fit the network.
    """
    network = describe_network(recipe, num_classes)
    factors = rate_factors(recipe, num_classes)
    network.to_empty(device=device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    convert(network, precision.weights, precision.batch_norm)
    weights: list[Tensor] = list(network.parameters())
    if precision.masters:
        weights = [torch.empty_like(weight, dtype=torch.float32, requires_grad=False) for weight in weights]
    optimizer = SGD(weights, factors=factors, weight_decay=recipe.base_wd * recipe.batch_size, momentum=recipe.momentum)

    return State(
        network=network,
        forward=make_forward(network, step),
        optimizer=optimizer,
        precision=precision,
        # The summed loss already scales gradients by the batch size; 128 more is a start that seldom overflows.
        scaler=torch.amp.GradScaler(device.type, init_scale=128.0) if precision.scale_loss else None,
    )


def rate_factors(recipe: Recipe, num_classes: int) -> list[float]:
    """Factor of the scheduled rate for each parameter tensor, from lr_scale and lr_instead."""
    paths = [path for path, _ in describe_network(recipe, num_classes).path_parameters()]
    factors = scale_factors(paths, recipe.lr_scale)
    if recipe.lr_instead is not None:
        full = [path for path, _ in describe_network(recipe, num_classes, leave_out=()).path_parameters()]
        instead = instead_factors(paths, full, recipe.lr_instead)
        factors = [a * b for a, b in zip(factors, instead, strict=True)]
    return factors


@torch.no_grad()
def init_weights(state: State, seed: int) -> None:
    """Set the weights as torch's layers do by default, statistics and velocities to their start.

    Convolutions and linear layers: uniform within +- 1 / sqrt(fan in) (He et al. 2015, a = sqrt 5).
    Drawn on the CPU for every device: one seed starts from the same weights on all of them.
    """
    generator = torch.Generator().manual_seed(seed)
    values = []
    for module in state.network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            weight = torch.empty(module.weight.shape)
            bound = 1 / math.sqrt(weight[0].numel())
            values.append(weight.uniform_(-bound, bound, generator=generator))
        elif isinstance(module, BatchNorm):
            module.reset_running_stats()
            values += [torch.ones(module.num_features), torch.zeros(module.num_features)]
    for weights in ([*state.network.parameters()], state.optimizer.weights):
        for target, value in zip(weights, values, strict=True):
            target.copy_(value)
    for velocity in state.optimizer.velocities:
        velocity.zero_()


def warm_up(state: State, num_classes: int, train_size: int, valid_sizes: Iterable[int]) -> None:
    """Compile, and let the library choose its kernels, for the batch sizes that will come; on random data.

    Weights and statistics are left to be set by `init_weights`, which follows.
    """
    device = next(state.network.parameters()).device
    generator = torch.Generator().manual_seed(0)

    def random_batch(size: int) -> tuple[Tensor, Tensor]:
        images = torch.rand(size, 3, 32, 32, generator=generator).to(device, state.precision.images)
        labels = torch.randint(0, num_classes, (size,), generator=generator).to(device)
        return images.contiguous(memory_format=torch.channels_last), labels

    init_weights(state, 0)
    state.network.train()
    images, labels = random_batch(train_size)
    backward(state, F.cross_entropy(run_forward(state, images), labels, reduction="sum"))
    evaluate(state, (random_batch(size) for size in valid_sizes))
