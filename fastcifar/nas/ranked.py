"""What the strategies that share weights have in common: a ranking, and a first look at every option."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from fastcifar.nas.evaluator import Classification, LabelledBatches, find_device, on_device
from fastcifar.nas.model import ModelSpace
from fastcifar.search import Params

CALIBRATION = 8  # training batches for the statistics of a network's batch norms


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A network of a ranking. score: more is better. weights: as its `load_state_dict` takes them; empty: not kept."""

    sample: Params
    score: float
    weights: Mapping[str, Tensor]


def try_options(space: ModelSpace, evaluator: Classification) -> None:
    """Run the network of each option, all other choices at their first, on one batch.

    Raises ValueError, with the sample, for one that fails, and where there is no batch.
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
    """The first of some batches. Raises ValueError where there is none."""
    for batch in on_device(batches, device):
        return batch
    raise ValueError(f"{name}: there is no batch in it")


def calibration(evaluator: Classification, device: torch.device) -> Sequence[Tensor]:
    """The inputs that batch norms are calibrated on, read once: a loader may shuffle."""
    return [inputs for inputs, _ in islice(on_device(evaluator.train, device), CALIBRATION)]


@contextmanager
def named(sample: Params) -> Iterator[None]:
    """Say which network it was that failed."""
    try:
        yield
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise ValueError(f"the network of {sample} fails: {error}") from error


def module_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name; one that has two names under both."""
    parameters = network.named_parameters(remove_duplicate=False)
    return {**dict(parameters), **dict(network.named_buffers(remove_duplicate=False))}
