"""From a recipe to everything a run changes: network, optimizer, loss scale."""

import dataclasses
import gc
import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from fastcifar.data import SIDE
from fastcifar.data.upload import upload
from fastcifar.net import BatchNorm, Network, convert
from fastcifar.train.networks import describe
from fastcifar.train.optim.averaging import Average
from fastcifar.train.optim.muon import Muon
from fastcifar.train.optim.muon_batched import BatchedMuon
from fastcifar.train.optim.optimizer import Optimizer, Several
from fastcifar.train.optim.schedule import instead_factors, scale_factors
from fastcifar.train.optim.sgd import SGD, FlatSGD
from fastcifar.train.recipe.recipe import Recipe
from fastcifar.train.step.capture import Captured, Recorder, cuda_graph
from fastcifar.train.step.loop import State, evaluate, forward_backward, step_of, training_step
from fastcifar.train.step.precision import Precision, fast_format
from fastcifar.train.step.ways import CAPTURED, make_forward
from fastcifar.train.whiten import train_whitening


def describe_network(recipe: Recipe, num_classes: int, leave_out: Sequence[str] | None = None) -> Network:
    """The recipe's network without memory for its weights (on torch's `meta` device), for counting and drawing."""
    with torch.device("meta"):  # no default initialisation either, which would draw from torch's global generator
        return Network(describe(recipe, num_classes, recipe.leave_out if leave_out is None else tuple(leave_out)))


def build_state(
    recipe: Recipe, num_classes: int, device: torch.device, precision: Precision, step: str, steps: int = 1
) -> State:
    """Make the network, its weights not yet set, and the optimizer over them. steps: of an epoch.

    Raises RecipeError where lr_scale or lr_instead do not fit the network.
    """
    network = describe_network(recipe, num_classes)
    factors = rate_factors(recipe, num_classes)
    network.to_empty(device=device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    convert(network, precision.weights, precision.batch_norm)
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    weights: list[Tensor] = list(trained)
    if precision.masters:
        weights = [torch.empty_like(weight, dtype=torch.float32, requires_grad=False) for weight in weights]
    optimizer = make_optimizer(recipe, trained_paths(network), weights, factors, precision.loss_scale)

    state = State(
        network=network,
        weights=list(trained),
        forward=make_forward(network, step),
        optimizer=optimizer,
        average=make_average(recipe, network, weights, steps),
        precision=precision,
        # The summed loss already scales gradients by the batch size; 128 more is a start that seldom overflows.
        scaler=torch.amp.GradScaler(device.type, init_scale=128.0) if precision.scale_loss else None,
    )
    if step not in CAPTURED:
        return state
    gc.collect()  # a recording refers to itself, and an earlier run's would keep its memory
    return capture(state, recipe.label_smoothing, cuda_graph, torch.cuda.graph_pool_handle())


def capture(state: State, label_smoothing: float, record: Recorder, pool: object = None) -> State:
    """The state whose steps are recorded. pool: the memory of all recordings.

    With a loss scale the optimizer stays outside: whether it takes its step depends on the gradients, which the CPU
    has to look at.
    """

    def one_step(images: Tensor, labels: Tensor, rate: Tensor) -> tuple[Tensor, ...]:
        if captured.scaler is None:
            return step_of(captured, images, labels, rate, label_smoothing)
        logits, loss = forward_backward(captured, images, labels, label_smoothing)
        return loss, (logits.argmax(1) == labels).sum(), logits

    network, optimizer = state.network, state.optimizer
    changed = [*network.parameters(), *network.buffers(), *optimizer.weights, *optimizer.velocities]
    captured = dataclasses.replace(state, captured=Captured(one_step, state.weights, changed, record, pool))
    return captured


def make_optimizer(
    recipe: Recipe, paths: Sequence[str], weights: Sequence[Tensor], factors: Sequence[float], loss_scale: float = 1.0
) -> Optimizer:
    """The recipe's optimizer over `weights`, which lie at `paths` and have `factors` of the scheduled rate.

    loss_scale: of the loss that the gradients come from. SGD's rate is divided by it, and its decay multiplied, since
    the rate multiplies that too; Muon's steps do not depend on it.
    """
    decay = recipe.base_wd * recipe.batch_size  # for the summed loss
    own = [_own_lr(recipe, path) / recipe.peak_lr for path in paths]
    muon = [i for i, weight in enumerate(weights) if recipe.optimizer == "muon" and weight.ndim == 4]
    rest = [i for i in range(len(weights)) if i not in muon]
    on_a_cpu = weights[0].device.type == "cpu"
    sgd = (SGD if on_a_cpu else FlatSGD)(
        [weights[i] for i in rest],
        factors=[factors[i] * own[i] / loss_scale for i in rest],
        weight_decay=[decay / own[i] * loss_scale if own[i] else 0.0 for i in rest],
        momentum=recipe.momentum,
    )
    if not muon:
        return sgd
    # Its steps do not grow with the gradient, so its rate is not divided by the batch size, as that of SGD is.
    scale = recipe.muon_lr * recipe.batch_size / recipe.peak_lr
    turning = (Muon if on_a_cpu else BatchedMuon)(
        [weights[i] for i in muon],
        factors=[factors[i] * scale for i in muon],
        momentum=recipe.muon_momentum,
        steps=recipe.muon_steps,
        dtype=fast_format(weights[0].device),
    )
    return Several([(turning, muon), (sgd, rest)])


def _own_lr(recipe: Recipe, path: str) -> float:
    if recipe.bias_lr is not None and path.endswith("/bias"):
        return recipe.bias_lr
    if recipe.head_lr is not None and path == "linear/weight":
        return recipe.head_lr
    return recipe.peak_lr


def make_average(recipe: Recipe, network: Network, weights: Sequence[Tensor], steps: int) -> Average | None:
    """The recipe's average over `weights` and the batch norms' statistics. steps: of an epoch."""
    if recipe.averaging == "none":
        return None
    statistics = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
    total = steps * recipe.total_epoch
    return Average(
        recipe.averaging,
        [*weights, *statistics],
        every=recipe.average_every,
        decay=recipe.average_decay,
        tail_start=max(0, total - max(1, round(recipe.tail_epochs * steps))),
        total=total,
    )


def trained_paths(network: Network) -> list[str]:
    """Paths of the parameters that are trained, in the network's order."""
    return [path for path, parameter in network.path_parameters() if parameter.requires_grad]


def rate_factors(recipe: Recipe, num_classes: int) -> list[float]:
    """Factor of the scheduled rate for each trained parameter tensor, from lr_scale and lr_instead."""
    paths = trained_paths(describe_network(recipe, num_classes))
    factors = scale_factors(paths, recipe.lr_scale)
    if recipe.lr_instead is not None:
        full = trained_paths(describe_network(recipe, num_classes, leave_out=()))
        instead = instead_factors(paths, full, recipe.lr_instead)
        factors = [a * b for a, b in zip(factors, instead, strict=True)]
    return factors


@torch.no_grad()
def init_weights(state: State, seed: int, *, identity: bool = False, unit_head: bool = False) -> None:
    """Set the weights as torch's layers do by default, statistics, velocities and averages to their start.

    Convolutions and linear layers: uniform within +- 1 / sqrt(fan in) (He et al. 2015, a = sqrt 5).
    identity: a trained convolution begins as the identity on its first filters, as many as it has inputs.
    unit_head: the last layer's weights get the standard deviation 1.
    Drawn on the CPU for every device: one seed starts from the same weights on all of them.
    """
    generator = torch.Generator().manual_seed(seed)
    values: dict[Tensor, Tensor] = {}
    for module in state.network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            weight = torch.empty(module.weight.shape)
            bound = 1 / math.sqrt(weight[0].numel())
            values[module.weight] = weight.uniform_(-bound, bound, generator=generator)
            if module.bias is not None:
                values[module.bias] = torch.empty(module.bias.shape).uniform_(-bound, bound, generator=generator)
            if identity and isinstance(module, nn.Conv2d) and module.bias is None:
                _make_identity(weight)
            if unit_head and isinstance(module, nn.Linear):
                weight /= weight.std()
        elif isinstance(module, BatchNorm):
            module.reset_running_stats()
            values[module.weight], values[module.bias] = torch.ones(module.weight.shape), torch.zeros(module.bias.shape)
    for parameter in state.network.parameters():
        parameter.copy_(upload(values[parameter], parameter.device))
    if state.precision.masters:
        for target, trained in zip(state.optimizer.weights, state.weights, strict=True):
            target.copy_(upload(values[trained], target.device))
    for velocity in state.optimizer.velocities:
        velocity.zero_()
    if state.average:
        state.average.begin()


def _make_identity(weight: Tensor) -> None:
    """Let the first filters of a convolution (out, in, h, w), as many as it has inputs, each pass on one of these."""
    out, inputs, height, width = weight.shape
    weight[:inputs] = 0
    each = torch.arange(min(out, inputs))
    weight[each, each, height // 2, width // 2] = 1


def warm_up(
    state: State,
    num_classes: int,
    train_size: int,
    valid_sizes: Iterable[int],
    kinds: Iterable[tuple[int, bool]] = ((SIDE, True),),
) -> None:
    """Compile, record, and let the library choose its kernels, for the batches to come; on random data.

    train_size, valid_sizes: images in a batch. kinds: of training steps, as `step_kinds` gives them.
    Weights and statistics are left to be set by `init_weights`, which follows.
    """
    device = next(state.network.parameters()).device
    generator = torch.Generator().manual_seed(0)

    def random_batch(size: int, side: int = SIDE) -> tuple[Tensor, Tensor]:
        images = torch.rand(size, 3, side, side, generator=generator).to(device, state.precision.images)
        labels = torch.randint(0, num_classes, (size,), generator=generator).to(device)
        return images.contiguous(memory_format=torch.channels_last), labels

    scale = state.scaler.state_dict() if state.scaler else {}
    init_weights(state, 0)
    ordered, sizes = sorted(kinds, reverse=True), list(valid_sizes)  # the largest recording first: see `Captured`
    for side, trained in ordered:
        train_whitening(state.network, trained)
        state.network.train()
        training_step(state, *random_batch(train_size, side), 0.0, 0.0)
    for trained in dict.fromkeys(trained for _, trained in ordered) or (True,):
        train_whitening(state.network, trained)
        evaluate(state, (random_batch(size) for size in sizes))  # compiled once for each, too
    if state.scaler:
        state.scaler.load_state_dict(scale)
