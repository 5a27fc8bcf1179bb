"""What a network of a space is worth: a function of the user's, or a training as a classifier."""

from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastcifar.data import Batches as Images
from fastcifar.search import report_final_result, report_intermediate_result

Batches = Iterable[tuple[Tensor, Tensor]]  # inputs (B, ...), labels (B,)


class ModelEvaluator(Protocol):
    """Evaluates a network: constructs it by calling `model_class`, and reports as a trial does."""

    def evaluate(self, model_class: Callable[[], nn.Module]) -> None: ...


class FunctionalEvaluator:
    """A function of a class: it constructs a network by calling it without arguments, and reports what it is worth.

    By `report_intermediate_result`, as often as it likes, and `report_final_result`, once. named: further arguments.
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

    train, valid: batches, such as a DataLoader's, a list, or `fastcifar.data.Batches`, that can be gone through again;
    of these every network sees the same epochs. device: by default a GPU where there is one. Raises ValueError for what
    cannot be trained with.
    """

    train: Batches
    valid: Batches
    epochs: int = 1
    lr: float = 1e-3
    device: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.epochs, int) or self.epochs < 1:
            raise ValueError(f"epochs: a whole number at least 1 is needed, not {self.epochs!r}")
        if not self.lr > 0:
            raise ValueError(f"lr: a number more than 0 is needed, not {self.lr!r}")
        if self.device is not None:
            named_device(self.device)
        for name in ("train", "valid"):
            batches = getattr(self, name)
            if not isinstance(batches, Iterable) or isinstance(batches, Iterator):
                raise ValueError(f"{name}: batches that can be gone through again and again are needed, such as a list")
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
def accuracy(network: nn.Module, batches: Batches) -> float:
    """The share of labels that the network finds, in percent."""
    network.eval()
    found = [(network(inputs).argmax(1) == labels).float() for inputs, labels in batches]
    return 100 * float(torch.cat(found).mean())


def on_device(batches: Batches, device: torch.device, epoch: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches brought to a device. epoch: of batches that can be asked for a certain one."""
    for inputs, labels in batches.epoch(epoch) if isinstance(batches, Images) else batches:
        yield inputs.to(device), labels.to(device)


def find_device(name: str | None) -> torch.device:
    """The device of that name; by default a GPU where there is one. Raises ValueError for a name that is none.

    Not for the process that begins a search by copies of itself: asking for a GPU keeps CUDA from all its copies.
    """
    if name is not None:
        return named_device(name)
    # In a copy that is kept from CUDA, a GPU is taken all the same: the trial says why it fails, and is no slow one.
    spoilt = torch.cuda._is_in_bad_fork() and torch.cuda.device_count() > 0
    return torch.device("cuda" if spoilt or torch.cuda.is_available() else "cpu")


def named_device(name: str) -> torch.device:
    """The device of that name, which need not be there. Raises ValueError for a name that is none."""
    try:
        return torch.device(name)
    except (RuntimeError, TypeError):
        raise ValueError(f"device: {name!r} is none; cpu, cuda or cuda:N is needed") from None
