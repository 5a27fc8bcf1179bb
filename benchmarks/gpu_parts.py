"""What `gpu.py` measures in processes of its own; each prints JSON, one document a line.

    python benchmarks/gpu_parts.py profile RECIPE STEP... [--device auto] [--data-dir DIR]
    python benchmarks/gpu_parts.py pieces RECIPE [--device auto] [--data-dir DIR]
    python benchmarks/gpu_parts.py runs RECIPE [--device auto] [--data-dir DIR]

profile: a training step of each kind that the recipe's schedule has, for each way to run it: milliseconds (steps one
after the other, with their batches), launches and the kernels that take most of the time, and peak memory.
pieces: milliseconds of what a run consists of besides: batches, resizing and Muon beside their plain forms, the
optimizer, views, and what is done before the first step.
runs: whole runs, eager and captured, and two short ones that have to repeat themselves.
"""

import argparse
import itertools
import json
import statistics as stats
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from fastcifar.data import SIDE, Batches, Dataset, load, statistics
from fastcifar.data.augment import draw_plan, resize_folded, resize_plain
from fastcifar.train import Recipe, named_recipe, resolve_device, train
from fastcifar.train.build import build_state, init_weights, warm_up
from fastcifar.train.device import kernels, synchronize
from fastcifar.train.images import evaluation_batch, training_batches
from fastcifar.train.networks import step_kinds
from fastcifar.train.optim.muon import Muon
from fastcifar.train.optim.muon_batched import BatchedMuon
from fastcifar.train.step.loop import State, forward_backward, optimizer_step, run_forward, train_epoch
from fastcifar.train.step.precision import resolve_precision
from fastcifar.train.step.views import logits_of_views
from fastcifar.train.whiten import train_whitening

Row = dict[str, Any]
STEPS = 20  # of a timed block
BLOCKS = 3
WATCHED = 3  # steps whose kernels are listed
LISTED = 15  # kernels
REPEATS = 20  # of a piece


def built(recipe: Recipe, step: str, device: torch.device, data: Dataset) -> tuple[State, Batches, Batches]:
    """A state that is warm, and the images to train and to evaluate."""
    classes, precision = len(data.classes), resolve_precision(recipe.precision, device)
    images = len(data.test.labels)
    state = build_state(recipe, classes, device, precision, step, len(data.train.labels) // recipe.batch_size)
    size = evaluation_batch(images, device)
    warm_up(state, classes, recipe.batch_size, {min(size, images), images % size} - {0}, step_kinds(recipe))
    init_weights(state, 0, identity=recipe.identity_init, unit_head=recipe.unit_head)
    mean, std = statistics(data)
    on_device: dict[str, Any] = {"mean": mean, "std": std, "device": device, "dtype": precision.images}
    batches = training_batches(recipe, data.train, 0, **on_device)
    return state, batches, Batches(data.test, batch_size=size, **on_device)


def profiled(name: str, step: str, device: torch.device, data: Dataset) -> Iterator[Row]:
    """A row for each kind of step of a recipe."""
    recipe = named_recipe(name)
    state, batches, _ = built(recipe, step, device, data)
    for number, (side, trained) in enumerate(step_kinds(recipe)):

        def steps(count: int, turn: int, side: int = side) -> None:
            some = itertools.islice(itertools.chain(batches.epoch(turn, side), batches.epoch(turn + 1, side)), count)
            train_epoch(state, some, lambda _: 1e-7, recipe.label_smoothing, lambda _: None)

        train_whitening(state.network, trained)
        steps(2, 0)
        seconds = [clocked(lambda turn=turn: steps(STEPS, turn), device) / STEPS for turn in range(BLOCKS)]
        yield {
            "recipe": name,
            "step": step,
            "precision": state.precision.name,
            "side": side,
            "whitening_trained": trained,
            "first": number == 0,
            "milliseconds": 1000 * stats.median(seconds),
            "kernels": watched(lambda: steps(WATCHED, 0), device),
            "reserved_bytes": torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None,
        }


def watched(work: Callable[[], object], device: torch.device) -> Row:
    """Launches of a step and the milliseconds that they take, and the kernels that take most of these."""
    on_gpu = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as found:
        work()
        synchronize(device)
    field = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    rows = [(event.key, event.count, getattr(event, field) / 1000) for event in found.key_averages()]
    rows = sorted((row for row in rows if row[2] > 0), key=lambda row: -row[2])
    return {
        "launches": sum(count for _, count, _ in rows) / WATCHED,
        "milliseconds": sum(took for *_, took in rows) / WATCHED,
        "most": [[key[:100], count / WATCHED, took / WATCHED] for key, count, took in rows[:LISTED]],
    }


def pieces(name: str, device: torch.device, data: Dataset) -> Iterator[Row]:
    """A row for each piece of a run; milliseconds are the median of some repeats."""
    recipe = named_recipe(name)
    state, batches, valid = built(recipe, "eager", device, data)
    with torch.no_grad():
        for what, work in {**_augmentation(recipe, batches, device), **_before(recipe, state, batches, data)}.items():
            yield {"recipe": name, "piece": what, "milliseconds": milliseconds(work, device)}
    state.network.train()
    images, labels = next(batches.epoch(0))
    for what, work in _optimizers(recipe, state, images, labels).items():
        yield {"recipe": name, "piece": what, "milliseconds": milliseconds(work, device)}
    state.network.eval()

    def views() -> object:
        some = lambda: (images for images, _ in valid.epoch())  # noqa: E731
        return logits_of_views(lambda x: run_forward(state, x), some, recipe.tta, recipe.tta_share, valid.batch_size)

    what = f"views of {len(data.test.labels):,} images ({recipe.tta})"
    yield {"recipe": name, "piece": what, "milliseconds": milliseconds(views, device, 3)}


def _augmentation(recipe: Recipe, batches: Batches, device: torch.device) -> dict[str, Callable[[], object]]:
    found: dict[str, Callable[[], object]] = {}
    for side in sorted({side for side, _ in step_kinds(recipe)}):
        epoch = itertools.chain.from_iterable(batches.epoch(turn, side) for turn in itertools.count())
        found[f"a batch at {side} px"] = lambda epoch=epoch: next(epoch)
        if side != SIDE:
            shape = recipe.batch_size, 3, SIDE, SIDE
            images = torch.randn(shape, device=device).to(batches.dtype).contiguous(memory_format=torch.channels_last)
            found[f"resizing to {side} px, plain"] = lambda images=images, side=side: resize_plain(images, side)
            found[f"resizing to {side} px, folded"] = lambda images=images, side=side: resize_folded(images, side)
    return found


def _before(recipe: Recipe, state: State, batches: Batches, data: Dataset) -> dict[str, Callable[[], object]]:
    """What a run does before its steps."""
    augmentation, number = batches.augmentation, batches.num_images
    assert augmentation is not None
    mean, std = statistics(data)
    on_device = {"mean": mean, "std": std, "device": batches.device, "dtype": batches.dtype}
    return {
        "an epoch's plan, drawn on the CPU": lambda: draw_plan(number, augmentation, 0, 1),
        "weights drawn and brought to the device": lambda: init_weights(state, 1),
        "images brought to the device": lambda: training_batches(recipe, data.train, 0, **on_device),
    }


def _optimizers(recipe: Recipe, state: State, images: Tensor, labels: Tensor) -> dict[str, Callable[[], object]]:
    forward_backward(state, images, labels, recipe.label_smoothing)
    found: dict[str, Callable[[], object]] = {"the optimizer": lambda: optimizer_step(state, 1e-7)}
    if recipe.optimizer == "muon":
        kernels_of = [weight for weight in state.weights if weight.ndim == 4]
        for what, kind in (("plain", Muon), ("one batch", BatchedMuon)):
            weights = [weight.detach().clone(memory_format=torch.preserve_format) for weight in kernels_of]
            for weight, real in zip(weights, kernels_of, strict=True):
                weight.grad = None if real.grad is None else real.grad.clone(memory_format=torch.preserve_format)
            optimizer = kind(weights, factors=[1.0] * len(weights), momentum=0.6, steps=3, dtype=torch.bfloat16)
            found[f"Muon, {what}"] = optimizer.step
    return found


def runs(name: str, device: torch.device, data: Dataset) -> Iterator[Row]:
    """Whole runs, one way after the other; on a GPU each way once before, for an epoch."""
    recipe = named_recipe(name)
    for step in ("captured", "eager") if device.type == "cuda" else ("eager",):
        train(recipe.with_params({"total_epoch": 1}), data, 0, device=str(device), step=step)
        result = train(recipe, data, 1, device=str(device), step=step)
        yield {
            "recipe": name,
            "step": step,
            "accuracy": result.valid_acc,
            "seconds": sum(row.epoch_time for row in result.epochs),
            "times": vars(result.times),
            "status": result.status,
        }
    short = recipe.with_params({"total_epoch": 4})
    step = "captured" if device.type == "cuda" else "eager"
    twice = [train(short, data, 1, device=str(device), step=step, deterministic=True) for _ in range(2)]
    losses = [[(row.train_loss, row.valid_loss) for row in result.epochs] for result in twice]
    yield {"recipe": name, "step": f"{step}, deterministic, twice", "same": losses[0] == losses[1], "losses": losses[0]}


def clocked(work: Callable[[], object], device: torch.device) -> float:
    """Seconds."""
    synchronize(device)
    began = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - began


def milliseconds(work: Callable[[], object], device: torch.device, repeats: int = REPEATS) -> float:
    """Of one piece of work, in the median of five blocks of a few one after the other."""
    work()
    each = max(1, repeats // 5)

    def block() -> None:
        for _ in range(each):
            work()

    return 1000 * stats.median(clocked(block, device) for _ in range(5)) / each


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("profile", "pieces", "runs"))
    parser.add_argument("recipe")
    parser.add_argument("steps", nargs="*")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--data-dir")
    options = parser.parse_args()
    device, data = resolve_device(options.device), load(named_recipe(options.recipe).dataset, options.data_dir)
    if options.part == "runs":
        rows = runs(options.recipe, device, data)
    elif options.part == "pieces":
        rows = pieces(options.recipe, device, data)
    else:
        rows = itertools.chain.from_iterable(profiled(options.recipe, step, device, data) for step in options.steps)
    with kernels(device, deterministic=False):
        for row in rows:
            print(json.dumps({"part": options.part, **row}), flush=True)


if __name__ == "__main__":
    main()
