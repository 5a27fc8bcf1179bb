"""What augmentation costs: 50,000 images shifted, flipped and cut out, beside one epoch of resnet9-tiny.

    python benchmarks/augment.py [--device auto] [--steps 20] [--rounds 5]

Both are timed in turn in one process, `--steps` steps a round; medians over the rounds, scaled to an epoch. Synthetic
images: what is in them does not change the time. Writes results/augment-<device type>.md and .json.
"""

import argparse
import itertools
import json
import statistics as stats
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from fastcifar.data import Augmentation, Batches, statistics, synthetic
from fastcifar.train import named_recipe, resolve_device
from fastcifar.train.build import build_state, init_weights
from fastcifar.train.device import kernels, synchronize
from fastcifar.train.record.provenance import provenance
from fastcifar.train.step.loop import Batch, train_epoch
from fastcifar.train.step.precision import resolve_precision

RESULTS = Path(__file__).parent / "results"


def measure(device: torch.device, steps: int, rounds: int) -> tuple[list[float], list[float], int]:
    """Seconds of each round for the augmentation alone and for training steps, and the steps in an epoch."""
    recipe = named_recipe("resnet9-tiny")
    dataset = synthetic()
    precision = resolve_precision(recipe.precision, device)
    mean, std = statistics(dataset)
    batches = Batches(
        dataset.train,
        batch_size=recipe.batch_size,
        mean=mean,
        std=std,
        augmentation=Augmentation(shift=recipe.shift, flip=recipe.flip, cutout=recipe.cutout),
        device=device,
        dtype=precision.images,
    )
    state = build_state(recipe, 10, device, precision, step="eager")
    init_weights(state, 0)

    def steps_of(turn: int) -> Iterator[Batch]:
        return itertools.islice(batches.epoch(turn), steps)

    alone, training = [], []
    for turn in range(rounds + 1):
        alone.append(seconds(device, lambda part: [None for _ in part], steps_of(turn)))
        training.append(
            seconds(device, lambda part: train_epoch(state, part, lambda _: 1e-4, 0.0, lambda _: None), steps_of(turn))
        )
    return alone[1:], training[1:], len(batches)  # the first round is the warm-up


def seconds(device: torch.device, work: Callable[[Iterator[Batch]], object], part: Iterator[Batch]) -> float:
    synchronize(device)
    began = time.perf_counter()
    work(part)
    synchronize(device)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    device = resolve_device(options.device)
    with kernels(device, deterministic=False):
        alone, training, steps_an_epoch = measure(device, options.steps, options.rounds)
    scale = steps_an_epoch / options.steps
    augment_seconds, epoch_seconds = stats.median(alone) * scale, stats.median(training) * scale
    machine = provenance(device)
    text = (
        f"# Augmentation beside an epoch of resnet9-tiny\n\n{machine['device']}, {machine['threads']} threads, "
        f"torch {machine['versions']['torch']}; medians of {options.rounds} rounds of {options.steps} steps.\n\n"
        "| 50,000 images | seconds | share of the epoch |\n| --- | --- | --- |\n"
        f"| shift 4, flip, cutout 8 | {augment_seconds:.2f} | {augment_seconds / epoch_seconds:.1%} |\n"
        f"| one epoch of training, all told | {epoch_seconds:.2f} | 100 % |\n"
    )
    document = {"augment_seconds": alone, "train_seconds": training, "steps": options.steps, **machine}
    (RESULTS / f"augment-{device.type}.json").write_text(json.dumps(document, indent=2) + "\n")
    (RESULTS / f"augment-{device.type}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
