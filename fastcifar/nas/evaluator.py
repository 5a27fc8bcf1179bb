"""How good a network of a space is: by a function of the user, or by training it as a classifier."""

from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastcifar.data import Batches as Images
from fastcifar.rules import above, whole
from fastcifar.search import report_final_result, report_intermediate_result
from fastcifar.train.device import resolve_device

LabelledBatches = Iterable[tuple[Tensor, Tensor]]  # inputs (B, ...), labels (B,)


class ModelEvaluator(Protocol):
    """Evaluates a network: constructs it by calling `model_class`, and reports as a trial does."""

    def evaluate(self, model_class: Callable[[], nn.Module]) -> None: ...


class FunctionalEvaluator:
    """A function of the user that evaluates one network.

    function: called with the model class. It constructs the network by calling the class without arguments, and reports
        results: by `report_intermediate_result`, any number of times, and by `report_final_result`, once.
    named: further arguments of the function.
    """

    def __init__(self, function: Callable[..., Any], **named: Any) -> None:
        if not callable(function):
            raise ValueError(f"FunctionalEvaluator: a function of the model class is needed, not {function!r}")
        self.function, self.named = function, named

    def evaluate(self, model_class: Callable[[], nn.Module]) -> None:
        self.function(model_class, **self.named)


@dataclass(frozen=True, kw_only=True)
class Classification:
    """Trains a network as a classifier by Adam, and reports its accuracy on other images after each epoch, in percent.

    train, valid: batches that can be iterated over again, such as a list, a DataLoader or `fastcifar.data.Batches`; of
        the last, every network sees the same epochs.
    lr: learning rate of Adam. device: by default a GPU if there is one.
    Raises ValueError for values that it cannot train with.
    """

    train: LabelledBatches
    valid: LabelledBatches
    epochs: int = 1
    lr: float = 1e-3
    device: str | None = None

    def __post_init__(self) -> None:
        whole(1)("epochs", self.epochs)
        above(0)("lr", self.lr)
        if self.device is not None:
            named_device(self.device)
        for name in ("train", "valid"):
            batches = getattr(self, name)
            if not isinstance(batches, Iterable) or isinstance(batches, Iterator):
                raise ValueError(f"{name}: batches that can be iterated over again are needed, such as a list")
            if isinstance(batches, Sized) and len(batches) == 0:
                raise ValueError(f"{name}: there is no batch in it")

    def evaluate(self, model_class: Callable[[], nn.Module]) -> None:
        device = find_device(self.device)
        network = model_class().to(device)
        optimizer = torch.optim.Adam(network.parameters(), lr=self.lr)
        right = 0.0
        for epoch in range(self.epochs):
            network.train()
            for inputs, labels in on_device(self.train, device, epoch):
                optimizer.zero_grad()
                F.cross_entropy(network(inputs), labels).backward()
                optimizer.step()
            right = accuracy(network, on_device(self.valid, device))
            report_intermediate_result(right)
        report_final_result(right)


@torch.no_grad()
def accuracy(network: nn.Module, batches: LabelledBatches) -> float:
    """The share of inputs whose label the network finds, in percent. Leaves the network evaluating."""
    network.eval()
    found = [(network(inputs).argmax(1) == labels).float() for inputs, labels in batches]
    return 100 * float(torch.cat(found).mean())


def on_device(batches: LabelledBatches, device: torch.device, epoch: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches on a device. epoch: which one to iterate over, for `fastcifar.data.Batches`."""
    for inputs, labels in batches.epoch(epoch) if isinstance(batches, Images) else batches:
        yield inputs.to(device), labels.to(device)


def find_device(name: str | None) -> torch.device:
    """The device of that name; by default a GPU if there is one. Raises ValueError for a name that is no device's.

    For trials only. The process that starts the trials as copies of itself must not call it: after that process has
    asked for a GPU, its copies cannot use CUDA.
    """
    if name is not None:
        return named_device(name)
    # A copy of a process that has used CUDA cannot use it. There the trial shall fail with torch's message, instead of
    # training slowly on the CPU.
    if torch.cuda._is_in_bad_fork() and torch.cuda.device_count() > 0:
        return torch.device("cuda")
    return resolve_device("auto")


def named_device(name: str) -> torch.device:
    """The device of that name, without asking whether it is there. Raises ValueError for a name that is no device's."""
    try:
        return torch.device(name)
    except (RuntimeError, TypeError):
        raise ValueError(f"device: {name!r} is not known; cpu, cuda or cuda:N is needed") from None
