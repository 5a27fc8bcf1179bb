"""One training step of resnet9 and resnet9-tiny: images/s, share of the machine's ceilings, peak memory.

    python benchmarks/train_step.py [--device auto] [--rounds 3] [--steps N] [--batch-size 512] [--networks NAME...]
                                    [--without STEP...] [--results DIR]

`plain` is what torch does when left alone: its modules, its SGD, its memory layout and allocator, fp32. The others
are the steps of `fastcifar train`, by number format and by how the network is run. Each variant of each network runs
in a process of its own, in turn, `--rounds` times over; it measures the ceilings of its number format there too, after
the step. Peak memory is the process's (on a GPU what torch reserved there), read before the ceilings. A step is one
batch of random numbers that lies ready: forward, loss, backward, change of the weights. Medians over the rounds.
Writes results/train_step-<device type>.md and .jsonl, a line a round and variant. --without: ways to run the network
that are left out, such as compiled.
"""

import argparse
import json
import resource
import statistics as stats
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from ceilings import PARTS, ceilings, step_flops
from torch import nn

from fastcifar.net import Network
from fastcifar.train import Recipe, describe_network, named_recipe, resolve_device
from fastcifar.train.build import build_state, init_weights
from fastcifar.train.device import keep_memory, kernels, synchronize
from fastcifar.train.record.provenance import provenance
from fastcifar.train.step.loop import train_epoch
from fastcifar.train.step.precision import resolve_precision
from fastcifar.train.step.ways import STEPS as STEP_NAMES
from fastcifar.train.step.ways import resolve_step

RESULTS = Path(__file__).parent / "results"
NETWORKS = ("resnet9-tiny", "resnet9")
WARM_UP = 2  # steps
STEPS = {"cpu": 3, "cuda": 50}  # between two looks at the clock
Steps = Callable[[int], object]  # does so many


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A way to do the step; `plain` is without this project, and the other fields do not count then."""

    name: str
    plain: bool = False
    precision: str = "O0"
    step: str = "eager"


VARIANTS = {
    "cpu": (
        Variant(name="plain fp32", plain=True),
        Variant(name="eager fp32, memory kept"),
        Variant(name="fused fp32", step="fused"),
        Variant(name="eager bf16", precision="O2"),
        Variant(name="fused bf16", precision="O2", step="fused"),
    ),
    "cuda": (
        Variant(name="plain fp32", plain=True),
        Variant(name="eager fp32"),
        Variant(name="compiled fp32", step="compiled"),
        Variant(name="eager fp16", precision="half"),
        Variant(name="compiled fp16", precision="half", step="compiled"),
        Variant(name="captured fp16", precision="half", step="captured"),
        Variant(name="compiled and captured fp16", precision="half", step="compiled-captured"),
    ),
}


def measure(recipe: Recipe, variant: Variant, device: torch.device, batch_size: int, steps: int) -> dict[str, Any]:
    """One round of one variant, in this process."""
    labels = torch.randint(0, 10, (batch_size,), device=device)
    images = torch.rand(batch_size, 3, 32, 32, device=device)
    if variant.plain:
        return _timed(*plain(recipe, device, images, labels), device, batch_size, steps)
    if device.type == "cpu":
        keep_memory()  # as `fastcifar train` does; for good, which is why each variant has its own process
    with kernels(device, deterministic=False):
        return _timed(*ours(recipe, variant, device, images, labels), device, batch_size, steps)


def plain(
    recipe: Recipe, device: torch.device, images: torch.Tensor, labels: torch.Tensor
) -> tuple[Steps, Network, torch.dtype]:
    """The step as one writes it in torch, in fp32."""
    network = describe_network(recipe, 10).to_empty(device=device)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear, nn.BatchNorm2d)):
            module.reset_parameters()
    optimizer = torch.optim.SGD(
        network.parameters(), lr=1e-4, momentum=recipe.momentum, weight_decay=recipe.base_wd, nesterov=True
    )
    network.train()

    def steps(count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            F.cross_entropy(network({"input": images})["logits"], labels).backward()
            optimizer.step()

    return steps, network, torch.float32


def ours(
    recipe: Recipe, variant: Variant, device: torch.device, images: torch.Tensor, labels: torch.Tensor
) -> tuple[Steps, Network, torch.dtype]:
    """The step of `fastcifar train`."""
    precision = resolve_precision(variant.precision, device)
    state = build_state(recipe, 10, device, precision, resolve_step(variant.step, device))
    init_weights(state, 0)
    images = images.to(precision.images).contiguous(memory_format=torch.channels_last)

    def steps(count: int) -> None:
        train_epoch(state, iter([(images, labels)] * count), lambda _: 1e-7, 0.0, lambda _: None)

    return steps, state.network, precision.images


def _timed(
    steps: Steps, network: Network, dtype: torch.dtype, device: torch.device, batch_size: int, count: int
) -> dict[str, Any]:
    steps(WARM_UP)
    synchronize(device)
    began = time.perf_counter()
    steps(count)
    synchronize(device)
    seconds = (time.perf_counter() - began) / count
    memory = peak_memory(device)
    flops = step_flops(network.graph, batch_size)
    limits = ceilings(network.graph, batch_size, device, dtype)
    return {
        "seconds": seconds,
        "images_per_second": batch_size / seconds,
        "flops": flops,
        "flops_per_second": flops / seconds,
        "share_of_product": flops / seconds / limits["product_flops_per_second"],
        "share_of_convolutions": limits["convolution_seconds"] / seconds,
        "peak_memory_bytes": memory,
        "ceilings": limits,
    }


def peak_memory(device: torch.device) -> int:
    """Bytes."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def in_a_process(network: str, number: int, options: argparse.Namespace) -> dict[str, Any]:
    """One round of one variant, in a process of its own."""
    command = [sys.executable, __file__, "--one", network, str(number), "--device", options.device]
    command += ["--steps", str(options.steps), "--batch-size", str(options.batch_size)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def can_run(variant: Variant, device: torch.device) -> bool:
    """Whether this machine has what the variant needs; says so where it has not."""
    try:
        resolve_step(variant.step, device)
    except ValueError as error:
        print(f"{variant.name} is left out: {error}", file=sys.stderr)
        return False
    return True


def report(rows: list[dict[str, Any]], machine: dict[str, Any], options: argparse.Namespace) -> str:
    """Two tables for each network: the steps, and the ceilings in each number format."""
    lines = [
        "# One training step",
        "",
        f"{machine['device']}, {machine['threads']} threads, {machine['instructions']}; torch "
        f"{machine['versions']['torch']}, code {machine['code']}. Batches of {options.batch_size} random images "
        f"(canonical: false); medians of {options.rounds} rounds of {options.steps} steps, fastest and slowest round "
        "in brackets. By `benchmarks/train_step.py`, which says what is measured.",
    ]
    if any(row["share_of_product"] > 1 for row in rows):
        lines += ["", "Where a share is above 100 %, torch's matrix product is slower here than its convolutions."]
    for network in dict.fromkeys(row["network"] for row in rows):
        mine = [row for row in rows if row["network"] == network]
        groups = {name: [r for r in mine if r["variant"] == name] for name in dict.fromkeys(r["variant"] for r in mine)}
        lines += ["", f"## {network}: {mine[0]['flops'] / 1e9:,.0f} GFLOP a step", ""]
        lines += [*step_table(groups), "", *ceiling_table(groups, options.batch_size)]
    return "\n".join(lines) + "\n"


def step_table(groups: dict[str, list[dict[str, Any]]]) -> list[str]:
    """What each variant does, beside the first; groups: variant -> its rows."""
    base = _median(next(iter(groups.values())), "images_per_second")
    lines = [
        "| step | images/s | against plain | seconds | TFLOP/s | of the matrix product | of the convolutions alone "
        "| peak memory, GiB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, group in groups.items():
        speeds = [row["images_per_second"] for row in group]
        lines.append(
            f"| {name} | {stats.median(speeds):,.0f} ({min(speeds):,.0f} to {max(speeds):,.0f}) "
            f"| {stats.median(speeds) / base:.2f} | {_median(group, 'seconds'):.3g} "
            f"| {_median(group, 'flops_per_second') / 1e12:.3g} | {_median(group, 'share_of_product'):.0%} "
            f"| {_median(group, 'share_of_convolutions'):.0%} "
            f"| {max(row['peak_memory_bytes'] for row in group) / 2**30:.2f} |"
        )
    return lines


def ceiling_table(groups: dict[str, list[dict[str, Any]]], batch_size: int) -> list[str]:
    """What the machine could do in the process of each variant."""
    lines = [
        "| ceilings in the process of | matrix product, TFLOP/s | convolutions: forward, input gradient, weight "
        "gradient, TFLOP/s | convolutions alone, images/s | copying memory, GB/s |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, group in groups.items():
        limits = [row["ceilings"] for row in group]
        parts = ", ".join(
            f"{stats.median(c['convolution_flops_per_second'][part] for c in limits) / 1e12:.3g}" for part in PARTS
        )
        lines.append(
            f"| {name} | {_median(limits, 'product_flops_per_second') / 1e12:.3g} | {parts} "
            f"| {batch_size / _median(limits, 'convolution_seconds'):,.0f} "
            f"| {_median(limits, 'copy_bytes_per_second') / 1e9:.3g} |"
        )
    return lines


def _median(group: list[dict[str, Any]], key: str) -> float:
    return float(stats.median(row[key] for row in group))


def instructions(device: torch.device) -> str:
    """What the device multiplies bf16 with."""
    if device.type == "cuda":
        return "compute capability {}.{}".format(*torch.cuda.get_device_capability(device))
    has = {"AMX": torch.cpu._is_amx_tile_supported(), "AVX512-BF16": torch.cpu._is_avx512_bf16_supported()}
    return ", ".join(f"{name}: {'yes' if found else 'no'}" for name, found in has.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, help=f"of a round; by default {STEPS}")
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--without", nargs="+", default=[], choices=STEP_NAMES)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--one", nargs=2, metavar=("NETWORK", "VARIANT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    device = resolve_device(options.device)
    options.steps = options.steps or STEPS[device.type]
    variants = VARIANTS[device.type]
    if options.one:
        network, number = options.one
        row = measure(named_recipe(network), variants[int(number)], device, options.batch_size, options.steps)
        print(json.dumps(row))
        return
    machine = {**provenance(device), "instructions": instructions(device)}
    able = [n for n, variant in enumerate(variants) if variant.step not in options.without and can_run(variant, device)]
    rows = []
    for turn in range(options.rounds):
        for network in options.networks:
            for number in able:
                row = in_a_process(network, number, options)
                rows.append({"network": network, "variant": variants[number].name, "round": turn, **row})
                speed, name = row["images_per_second"], variants[number].name
                print(f"round {turn}, {network}, {name}: {speed:,.0f} images/s", file=sys.stderr, flush=True)
    text = report(rows, machine, options)
    about = {"batch_size": options.batch_size, "steps": options.steps, "dataset": "random", "canonical": False}
    text_rows = "".join(json.dumps({**row, **about, **machine}) + "\n" for row in rows)
    (options.results / f"train_step-{device.type}.jsonl").write_text(text_rows)
    (options.results / f"train_step-{device.type}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
