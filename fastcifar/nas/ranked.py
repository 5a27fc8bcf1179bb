"""What the one-shot strategies have in common: their ranking, and a trial run of every option."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from fastcifar.nas.evaluator import Classification, LabelledBatches, find_device, on_device
from fastcifar.nas.model import ModelSpace
from fastcifar.search import Params

CALIBRATION = 8  # training batches on which a network's batch norms are calibrated


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A network of a ranking. score: higher is better. weights: its state dict, or empty where it is not kept."""

    sample: Params
    score: float
    weights: Mapping[str, Tensor]


def try_options(space: ModelSpace, evaluator: Classification) -> None:
    """Run a network for each option, with all other choices at their first option, on one batch.

    Raises ValueError where a network fails, with its sample in the message, and where there is no batch.
    """
    device = find_device(evaluator.device)
    inputs, _ = first_batch(evaluator.train, "train", device)
    first_batch(evaluator.valid, "valid", device)
    first = {label: one.options[0] for label, one in space.choices.items()}
    samples = [{**first, label: option} for label, one in space.choices.items() for option in one.options]
    for sample in samples:
        with named(sample), torch.no_grad():
            space.network(sample).to(device)(inputs)


def first_batch(batches: LabelledBatches, name: str, device: torch.device) -> tuple[Tensor, Tensor]:
    """The first batch. name: of the batches, for the ValueError raised where there is none."""
    for batch in on_device(batches, device):
        return batch
    raise ValueError(f"{name}: there is no batch in it")


def calibration(evaluator: Classification, device: torch.device) -> Sequence[Tensor]:
    """The inputs for calibration. They are read once for all networks, because a loader may shuffle."""
    return [inputs for inputs, _ in islice(on_device(evaluator.train, device), CALIBRATION)]


@contextmanager
def named(sample: Params) -> Iterator[None]:
    """Turn an error inside the block into a ValueError that names the sample."""
    try:
        yield
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise ValueError(f"the network of {sample} fails: {error}") from error


def module_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name; a tensor with two names is there twice."""
    parameters = network.named_parameters(remove_duplicate=False)
    return {**dict(parameters), **dict(network.named_buffers(remove_duplicate=False))}
