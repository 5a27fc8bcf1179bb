"""What a network of a space is worth: a function of the user's, or a training as a classifier."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastcifar.nas.model import ModelSpace, SampleClass
from fastcifar.search import Params, get_sequence_id, report_final_result, report_intermediate_result
from fastcifar.search.experiment.evaluator import Reporter
from fastcifar.search.experiment.functions import listening
from fastcifar.train.record import RunFolder

WEIGHTS = "weights.safetensors"  # in a trial's folder
Batches = Iterable[tuple[Tensor, Tensor]]  # inputs (B, ...), labels (B,); gone through once an epoch


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

    train, valid: batches, such as a DataLoader's. device: by default a GPU where there is one.
    """

    train: Batches
    valid: Batches
    epochs: int = 1
    lr: float = 1e-3
    device: str | None = None

    def evaluate(self, model_class: Callable[[], nn.Module]) -> None:
        device = find_device(self.device)
        network = model_class().to(device)
        optimizer = torch.optim.Adam(network.parameters(), lr=self.lr)
        right = 0.0
        for _ in range(self.epochs):
            network.train()
            for inputs, labels in on_device(self.train, device):
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


def on_device(batches: Batches, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches brought to a device."""
    for inputs, labels in batches:
        yield inputs.to(device), labels.to(device)


def find_device(name: str | None) -> torch.device:
    """The device of that name; by default a GPU where there is one."""
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


@dataclass(frozen=True)
class TrialEvaluator:
    """One trial of a space's experiment: the sample's network, evaluated; its weights are kept in the trial's folder.

    A callable of the search's function evaluator (see `search.experiment.evaluator`).
    """

    space: ModelSpace
    evaluator: ModelEvaluator
    folder: Path

    def __call__(self, params: Params, report: Reporter) -> Any:
        results: list[Any] = []

        def listen(kind: str, value: Any) -> None:
            if kind == "intermediate":
                report(value["default"] if isinstance(value, dict) else value)
            elif not results:  # the first final result counts
                results.append(value)

        model_class = SampleClass(self.space, params)
        folder = self.folder / str(get_sequence_id())
        folder.mkdir(parents=True, exist_ok=True)
        with listening(listen), _environment(NNI_OUTPUT_DIR=str(folder)):
            try:
                self.evaluator.evaluate(model_class)
            except (RuntimeError, TypeError, ValueError) as error:
                raise ValueError(f"the network of {params} fails: {error}") from error
        if not results:
            raise ValueError("the evaluator has reported no final result: report_final_result is to be called once")
        if model_class.made is not None:
            RunFolder(folder).save_tensors(WEIGHTS, _copied(model_class.made), {})
        return results[0]


def _copied(network: nn.Module) -> dict[str, Tensor]:
    """A network's weights and statistics, each tensor in a place of its own."""
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
