"""The hot path: one epoch of training, one pass of evaluation."""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fastcifar.net import Network
from fastcifar.train.optim.averaging import Average
from fastcifar.train.optim.optimizer import Optimizer
from fastcifar.train.step.capture import Captured
from fastcifar.train.step.precision import Precision

Batch = tuple[Tensor, Tensor]  # images (B, 3, 32, 32), labels (B,)


class Diverged(Exception):
    """The training loss is no longer a finite number."""


@dataclass(frozen=True, kw_only=True)
class State:
    """What a training changes: weights, statistics, the optimizer's memory."""

    network: Network
    weights: list[Tensor]  # the trained weights of the network, in its order
    forward: Callable[[Tensor], Tensor]  # images (B, 3, 32, 32) -> logits (B, num_classes)
    optimizer: Optimizer  # over `weights`, or fp32 copies of them
    precision: Precision
    scaler: torch.amp.GradScaler | None
    average: Average | None = None
    captured: Captured | None = None  # does a step by CUDA graphs; with a scaler, without the optimizer's part


def train_epoch(
    state: State,
    batches: Iterator[Batch],
    lr: Callable[[int], float],
    label_smoothing: float,
    progress: Callable[[int], None],
    steps_before: int = 0,
) -> tuple[float, float]:
    """Train on `batches`; return the mean loss and the accuracy over their images, each image as its step met it.

    lr: the rate at the end of a step (from 0) of this epoch, for the summed loss. progress: called after each step.
    steps_before: the number of steps in earlier epochs. Raises Diverged as `run_steps` does.
    """
    state.network.train()

    def step(number: int, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        found = training_step(state, images, labels, lr(number), label_smoothing)
        if state.average and state.average.after(steps_before + number + 1):
            copy_masters(state)
        return found

    return run_steps(batches, step, progress)


def run_steps(
    batches: Iterator[Batch],
    step: Callable[[int, Tensor, Tensor], tuple[Tensor, Tensor]],
    progress: Callable[[int], None],
) -> tuple[float, float]:
    """Do a training step for each batch; return the mean loss and the accuracy over all images.

    step: number (from 0), images (B, 3, 32, 32), labels (B,) -> the summed loss and how many images are right, both ().
    progress: called after each step. Raises Diverged where a loss is not finite: on a CPU after that step, on a GPU,
    which no step waits for, after the last.
    """
    losses: list[Tensor] = []
    correct: list[Tensor] = []
    images_seen = 0
    for number, (images, labels) in enumerate(batches):
        loss, right = step(number, images, labels)
        losses.append(loss)
        correct.append(right)
        images_seen += len(labels)
        if loss.device.type == "cpu" and not torch.isfinite(loss):
            raise Diverged
        progress(number)
    mean_loss = float(torch.stack(losses).double().sum()) / images_seen
    if not math.isfinite(mean_loss):
        raise Diverged
    return mean_loss, int(torch.stack(correct).sum()) / images_seen


@torch.no_grad()
def evaluate(state: State, batches: Iterator[Batch]) -> tuple[float, float]:
    """Return the mean cross entropy and the accuracy over the images of `batches`."""
    state.network.eval()
    losses, correct, images_seen = [], [], 0
    for images, labels in batches:
        logits = run_forward(state, images)
        losses.append(F.cross_entropy(logits, labels, reduction="sum"))
        correct.append((logits.argmax(1) == labels).sum())
        images_seen += len(labels)
    return float(torch.stack(losses).double().sum()) / images_seen, int(torch.stack(correct).sum()) / images_seen


def training_step(
    state: State, images: Tensor, labels: Tensor, lr: float, label_smoothing: float
) -> tuple[Tensor, Tensor]:
    """Train on a batch; return the summed loss and the number of images that are right."""
    if not state.captured:
        loss, right, _ = step_of(state, images, labels, lr, label_smoothing)
        return loss, right
    loss, right, _ = state.captured(images, labels, lr)
    if state.scaler:
        optimizer_step(state, lr)
    return loss.clone(), right.clone()  # the next replay overwrites them


def step_of(
    state: State, images: Tensor, labels: Tensor, lr: float | Tensor, label_smoothing: float
) -> tuple[Tensor, Tensor, Tensor]:
    """A step without CUDA graphs; return summed loss, number of images that are right, logits (B, num_classes)."""
    logits, loss = forward_backward(state, images, labels, label_smoothing)
    optimizer_step(state, lr)
    return loss, (logits.argmax(1) == labels).sum(), logits


def forward_backward(state: State, images: Tensor, labels: Tensor, label_smoothing: float) -> tuple[Tensor, Tensor]:
    """Fill the gradients of the network's weights; return logits (B, num_classes) and the summed loss of a batch."""
    logits = run_forward(state, images)
    loss = F.cross_entropy(logits, labels, reduction="sum", label_smoothing=label_smoothing)
    backward(state, loss)
    return logits.detach(), loss.detach()


def run_forward(state: State, images: Tensor) -> Tensor:
    """Logits (B, num_classes), in fp32 or wider."""
    return logits_in(state.precision, state.forward, images, cache=state.captured is None)


def logits_in(precision: Precision, forward: Callable[[Tensor], Tensor], images: Tensor, cache: bool = True) -> Tensor:
    """The output of `forward` for `images`, computed in `precision` and returned in fp32 or wider."""
    with autocast(precision, images.device, cache=cache):
        logits = forward(images)
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def autocast(precision: Precision, device: torch.device, cache: bool = True) -> AbstractContextManager[object]:
    """torch.autocast where `precision` uses it, else a context that does nothing."""
    low = precision.autocast
    return torch.autocast(device.type, low, cache_enabled=cache) if low else nullcontext()


def backward(state: State, loss: Tensor) -> None:
    """Fill the gradients of the network's weights, of the loss times its scale."""
    for weight in state.network.parameters():
        weight.grad = None
    if state.scaler:
        state.scaler.scale(loss).backward()
    else:
        backward_scaled(state.precision, loss)


def backward_scaled(precision: Precision, loss: Tensor) -> None:
    """Add the gradients of the loss times `precision.loss_scale`, which is constant."""
    loss.backward(None if precision.loss_scale == 1 else torch.full_like(loss, precision.loss_scale))


def optimizer_step(state: State, lr: float | Tensor) -> None:
    """Change the weights by their gradients. With master copies, change those and copy them to the weights."""
    optimizer = state.optimizer
    optimizer.lr = lr
    if state.precision.masters:
        for master, weight in zip(optimizer.weights, state.weights, strict=True):
            master.grad = None if weight.grad is None else weight.grad.to(master.dtype)
    if state.scaler:
        state.scaler.step(optimizer)  # type: ignore[arg-type]  # it needs param_groups and step() only
        state.scaler.update()
    else:
        optimizer.step()
    copy_masters(state)


@torch.no_grad()
def copy_masters(state: State) -> None:
    """Copy the optimizer's master copies, where it has them, to the network's weights."""
    if state.precision.masters:
        torch._foreach_copy_(state.weights, state.optimizer.weights)
