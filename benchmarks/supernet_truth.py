"""The ground truth of the supernet's tables: networks of search_spaces/channels.json, each trained by itself.

    python benchmarks/supernet_truth.py [--networks 40] [--seeds 2] [--images 5000] [--epochs 5] [--batch-size 128]
    python benchmarks/supernet_truth.py --seeds 3 --share 0.5
    python benchmarks/supernet_truth.py --device cuda --networks 256 --seeds 1 --images 0 --epochs 24 --batch-size 512

Trains `resnet9` with the widths of so many networks, drawn once and for all (the first 40 are among the first 41), on
the training images less the holdout, or a stratified part of them (--images; 0 is all), at the recipe's learning rate
times the share of its batch; and looks at the holdout. All networks with one seed, then with the next, the largest
first, so that the cores end together. --share leaves out what has more than that share of the widest network's FLOPs:
for a further seed of the small ones, among which a search under a budget chooses. On a CPU one process a core, each on
one thread. Adds each training to results/supernet_truth-DEVICE.jsonl as it ends, skips what is there, and writes
results/supernet_truth-DEVICE.md; with all 256 networks also tables/channels-cifar10-q75.csv, for searchers to be tested
on.
"""

import argparse
import math
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from itertools import combinations
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rows import append, read

from fastcifar.data import load
from fastcifar.machine import cores
from fastcifar.net import count_flops
from fastcifar.search import Space
from fastcifar.statistics import Estimate
from fastcifar.statistics.tau import kendall
from fastcifar.train import Recipe, describe_network, named_recipe, resolve_device, train

HERE = Path(__file__).parent
RESULTS = HERE / "results"
SPACE = Space.load(HERE.parent / "search_spaces" / "channels.json")
WIDTHS = tuple(parameter.key for parameter in SPACE.parameters)
MOST = 0.9


def networks(count: int) -> list[dict[str, Any]]:
    """The first so many points of the space, in an order that is drawn once and for all."""
    order = np.random.default_rng(20261121).permutation(256)
    return [SPACE.decode(row) for row in SPACE.points()[order[:count]]]


def flops_of(params: dict[str, Any]) -> int:
    """FLOPs of a point's network for one image."""
    return count_flops(describe_network(Recipe(**params), 10))


def recipe_of(options: argparse.Namespace) -> Recipe:
    """What every network is trained by."""
    usual = named_recipe("resnet9")
    changes = {"total_epoch": options.epochs, "batch_size": options.batch_size, "train_images": options.images or None}
    return usual.with_params({**changes, "peak_lr": usual.peak_lr * options.batch_size / usual.batch_size})


def wanted(options: argparse.Namespace) -> list[tuple[dict[str, Any], int]]:
    """The networks and seeds that are asked for, in their order."""
    most = options.share * flops_of({parameter.key: max(parameter.values or ()) for parameter in SPACE.parameters})
    points = [params for params in networks(options.networks) if flops_of(params) <= most]
    points.sort(key=flops_of, reverse=True)
    return [(params, seed) for seed in range(1, options.seeds + 1) for params in points]


images_of = cache(load)  # once in a process, which trains many networks


def training(recipe: Recipe, params: dict[str, Any], seed: int, device: str, data_dir: str | None) -> dict[str, Any]:
    """One training; a row of the table."""
    made = recipe.with_params(params)
    step = "captured" if resolve_device(device).type == "cuda" else "auto"
    result = train(made, images_of(recipe.dataset, data_dir), seed, device=device, split="holdout", step=step)
    if result.status != "finished":
        raise RuntimeError(f"{params}, seed {seed}: {result.status}: {result.message}")
    last = result.epochs[-1]
    return {
        "params": params,
        "seed": seed,
        "accuracy": last.valid_acc,
        "loss": last.valid_loss,
        "flops": flops_of(params),
        "parameters": result.parameters,
        "seconds": result.times.train,
        "recipe": recipe.to_dict(),
        "precision": result.precision,
        "canonical": result.dataset["canonical"],
        "threads": result.provenance["threads"],
        "device": result.provenance["device"],
        "torch": result.provenance["versions"]["torch"],
    }


def of_recipe(rows: list[dict[str, Any]], recipe: Recipe) -> list[dict[str, Any]]:
    """Those of the rows that were made with a recipe."""
    return [row for row in rows if row["recipe"] == recipe.to_dict()]


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """One row a network: widths, accuracy of each seed (percent), their mean, FLOPs, parameters, seconds (the fewest).

    acc0, ...: of the seeds that most networks (MOST) have, without networks that lack one; the mean is of these.
    more0, ...: of the other seeds, NaN where a network has not been trained with it.
    """
    points = {str(row["params"]) for row in rows}
    having = {seed: {str(row["params"]) for row in rows if row["seed"] == seed} for seed in {r["seed"] for r in rows}}
    seeds = sorted(seed for seed, there in having.items() if len(there) >= MOST * len(points)) or [min(having)]
    names = {seed: f"acc{number}" for number, seed in enumerate(seeds)}
    names |= {seed: f"more{number}" for number, seed in enumerate(sorted(set(having) - set(seeds)))}
    found: dict[tuple[int, ...], dict[str, Any]] = {}
    for row in rows:
        line = found.setdefault(tuple(row["params"].values()), dict(row["params"]))
        line |= {names[row["seed"]]: 100 * row["accuracy"], "flops": row["flops"]}
        line |= {"params": row["parameters"], "seconds": min(row["seconds"], line.get("seconds", row["seconds"]))}
    accuracies = [names[seed] for seed in seeds]
    frame = pd.DataFrame(found.values()).dropna(subset=accuracies).dropna(axis=1, how="all")
    frame["mean"] = frame[accuracies].mean(axis=1)
    return frame


def machines(rows: list[dict[str, Any]]) -> str:
    """The machines of the trainings, by seed."""
    seeds: dict[str, list[int]] = {}
    for row in rows:
        here = f"{row['device']}, {row['threads']} thread(s) a training, {row['precision']}, torch {row['torch']}"
        seeds.setdefault(here, []).append(row["seed"])
    return "; ".join(f"{here} (seeds {', '.join(map(str, sorted(set(some))))})" for here, some in seeds.items())


def report(rows: list[dict[str, Any]]) -> str:
    frame, last = table(rows), rows[-1]
    recipe = last["recipe"]
    spread = ""
    accuracies = [name for name in frame if name.startswith("acc")]
    shown = [*accuracies, "mean", *(name for name in frame if name.startswith("more"))]
    if len(accuracies) > 1:
        pairs = [(frame[one], frame[other]) for one, other in combinations(accuracies, 2)]
        noise = np.mean([(one - other).var() / 2 for one, other in pairs]) ** 0.5
        tau = np.mean([kendall(one.to_numpy(), other.to_numpy()) for one, other in pairs])
        spread = (
            f"\nStandard deviation of one training around its network's mean: {noise:.2f} points; of the networks' "
            f"means: {frame['mean'].std():.2f}. Kendall's tau of one seed with another: {tau:.3f}.\n"
        )
    lines = [
        "# Networks of channels.json, each trained by itself",
        "",
        f"Made by `benchmarks/supernet_truth.py`: resnet9, {recipe['total_epoch']} epochs of "
        f"{recipe['train_images'] or 'all'} training images in batches of {recipe['batch_size']}, at most at a rate of "
        f"{recipe['peak_lr']:g}; accuracy on the holdout, percent; {machines(rows)}; "
        f"canonical: {str(last['canonical']).lower()}.",
        spread,
        f"| {' | '.join(WIDTHS)} | {' | '.join(shown)} | FLOPs | parameters | seconds |",
        "| " + " | ".join(["---"] * (len(WIDTHS) + len(shown) + 3)) + " |",
    ]
    for _, row in frame.sort_values("mean", ascending=False).iterrows():
        cells = [str(int(row[name])) for name in WIDTHS]
        cells += ["" if math.isnan(row[name]) else f"{row[name]:.2f}" for name in shown]
        cells += [f"{row['flops'] / 1e6:.1f} M", f"{row['params'] / 1e3:.0f} k", f"{row['seconds']:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    estimate = Estimate.of(frame["mean"].tolist())
    return "\n".join([*lines, "", f"Mean of {estimate.n} networks: {estimate}."]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--data-dir")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    device = resolve_device(options.device)
    recipe = recipe_of(options)
    load(recipe.dataset, options.data_dir)  # says what is wrong with the images before anything runs
    path = options.results / f"supernet_truth-{device.type}.jsonl"
    rows = of_recipe(read(path), recipe)
    there = {(str(row["params"]), row["seed"]) for row in rows}
    left = [one for one in wanted(options) if (str(one[0]), one[1]) not in there]
    workers = 1
    if device.type == "cpu":
        os.environ["OMP_NUM_THREADS"], workers = "1", cores()  # of the processes to come
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(training, recipe, *one, str(device), options.data_dir) for one in left]
        try:
            for done, future in enumerate(as_completed(futures), 1):
                if (error := future.exception()) is not None:
                    print(f"{done} of {len(left)}: {error}", flush=True)
                    continue
                rows.append(future.result())
                append(path, rows[-1])
                print(f"{done} of {len(left)}: {rows[-1]['params']} {100 * rows[-1]['accuracy']:.2f} %", flush=True)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    text = report(rows)
    path.with_suffix(".md").write_text(text)
    frame = table(rows)
    if len(frame) == 256:
        names = [name for name in frame if name not in ("mean", "seconds") and not name.startswith("more")]
        frame[names].to_csv(HERE / "tables" / "channels-cifar10-q75.csv", index=False)
    print(text)


if __name__ == "__main__":
    main()
