"""One trial of a space's experiment, in a worker process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fastcifar.experiment.objectives.base import Reporter
from fastcifar.experiment.trial_api import listening
from fastcifar.nas.evaluator import ModelEvaluator
from fastcifar.nas.model import ModelSpace, SampleClass
from fastcifar.search import Params, get_sequence_id
from fastcifar.train.record.record import RunFolder

WEIGHTS = "weights.safetensors"  # in a trial's folder
SILENT = "the evaluator has reported no final result: it has to call report_final_result once"


@dataclass(frozen=True)
class TrialEvaluator:
    """Evaluates the network of a sample, and writes its weights to the trial's folder.

    `evaluate` is the function of the experiment's FunctionEvaluator. folder: contains a folder for each trial, in which
    the evaluator may write, too.
    """

    space: ModelSpace
    evaluator: ModelEvaluator
    folder: Path

    def evaluate(self, params: Params, seed: int, report: Reporter) -> Any:
        """The reported result. Raises ValueError, with the sample, where the evaluator raises or reports nothing."""
        results: list[Any] = []

        def listen(kind: str, value: Any) -> None:
            if kind == "intermediate":
                report(value["default"] if isinstance(value, dict) else value)
            elif not results:  # the first final result counts
                results.append(value)

        model_class = SampleClass(self.space, params)
        folder = self.folder.absolute() / str(get_sequence_id())
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(seed)  # of the whole process, which runs this trial only
        with listening(listen), _environment(NNI_OUTPUT_DIR=str(folder)):
            try:
                self.evaluator.evaluate(model_class)
            except Exception as error:
                raise ValueError(f"the evaluation of {params} fails: {type(error).__name__}: {error}") from error
        if not results:
            raise ValueError(SILENT)
        if model_class.trained is not None:
            RunFolder(folder).save_tensors(WEIGHTS, copied(model_class.trained), {})
        return results[0]


def copied(network: nn.Module) -> dict[str, Tensor]:
    """A copy of the network's state dict that shares no memory with it."""
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
