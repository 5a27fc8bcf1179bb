"""What a supernet adds to a small regression, for each way of training it, on networks of search_spaces/channels.json.

    python benchmarks/supernet_truth.py
    python benchmarks/supernet.py [--variants NAME ...] [--seeds 1] [--device auto] [--data-dir D]

Trains a supernet with each variant, with the budget of the ground truth (as many epochs of the same images), scores all
256 networks, and adds what it has found, with all raw scores, to results/supernet-DEVICE.jsonl; skips what is there.
Then writes results/supernet-DEVICE.md: Kendall's tau of every predictor with the ground truth, what each supernet adds
to the regression at 10 and 20 trainings, judged on the networks that are left out, and what is chosen by it.
"""

import argparse
import time
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from rows import append, read
from supernet_judge import POOL, SPLITS, Judge, Truth, lacks, small, truth_of
from supernet_posterior import posterior
from supernet_truth import RESULTS, of_recipe, table

from fastcifar.data import load
from fastcifar.experiment.objectives.training.sizes import flops
from fastcifar.names import counted
from fastcifar.search.spaces.named import read_space
from fastcifar.statistics.tau import Tau, kendall, tau, within
from fastcifar.supernet import Material, Plan, scores, train_supernet
from fastcifar.supernet.material import CALIBRATION
from fastcifar.supernet.methods import drawn
from fastcifar.supernet.predict.ranking import SCORED
from fastcifar.train import Hooks, Recipe, format_row, resolve_device, train

APART = 100  # the supernets' seeds are not those of the ground truth, whose batches and crops they would share
NEAR = 0.05
SIZES = (10, 20)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A way of training and scoring a supernet. epochs: of the ground truth's, so many times."""

    method: str
    rates: str = "equal"
    epochs: float = 1.0
    calibration: int = CALIBRATION  # images


VARIANTS = {
    "sandwich": Variant(method="sandwich"),
    "sandwich, labels": Variant(method="sandwich-labels"),
    "fair": Variant(method="fair"),
    "uniform": Variant(method="uniform"),
    "fair, rates 1/sqrt(p)": Variant(method="fair", rates="sqrt"),
    "fair, rates 1/p": Variant(method="fair", rates="inverse"),
    "fair, 3 times the epochs": Variant(method="fair", epochs=3),
    "fair, 5 times the epochs": Variant(method="fair", epochs=5),
    "uniform, 3 times the epochs": Variant(method="uniform", epochs=3),
    "uniform, 5 times the epochs": Variant(method="uniform", epochs=5),
    "sandwich, 1.5 times the epochs": Variant(method="sandwich", epochs=1.5),
    "sandwich, calibrated on 2,048 images": Variant(method="sandwich", calibration=2048),
}


def run(name: str, recipe: Recipe, seed: int, device: str, data_dir: str | None) -> dict[str, Any]:
    """Train one supernet and score all networks."""
    variant = VARIANTS[name]
    made = recipe.with_params({"total_epoch": max(1, round(variant.epochs * recipe.total_epoch))})
    entries = read_space(Path(__file__).parent.parent / "search_spaces" / "channels.json")
    plan = Plan(recipe=made, space=entries, method=variant.method, rates=variant.rates, seed=APART + seed)
    dataset = load(recipe.dataset, data_dir)
    hooks = Hooks(on_epoch=lambda row: print(format_row(row), flush=True))
    supernet, record = train_supernet(plan, dataset, device=device, hooks=hooks)
    if record.status != "finished":
        raise SystemExit(f"{name}: {record.status}: {record.message}")
    material = Material(record, dataset, supernet)
    began = time.perf_counter()
    recipes = [plan.choices.of(one) for one in plan.choices.points()]
    found = scores(supernet, recipes, material.calibration(variant.calibration), material.valid(SCORED))
    scored = time.perf_counter() - began
    steps = record.dataset["train_images"] // made.batch_size * made.total_epoch
    trained = sum(flops(one) for step in range(steps) for one in drawn(plan.choices, plan.method, plan.seed, step))
    base = record.dataset["train_images"] // recipe.batch_size * recipe.total_epoch
    widest = train(
        replace(plan.choices.full, total_epoch=1, peak_epoch=0.2), dataset, seed, device=device, split="holdout"
    )
    return {
        "variant": name,
        "seed": seed,
        "recipe": recipe.to_dict(),
        "train_seconds": record.times.train,
        "score_seconds": scored,
        "widest_seconds": widest.times.train * recipe.total_epoch,
        "flops_of_widest": trained / (flops(plan.choices.full) * base),
        "loss": [score.loss for score in found],
        "accuracy": [score.accuracy for score in found],
        "device": record.provenance["device"],
        "threads": record.provenance["threads"],
        "precision": record.precision,
        "torch": record.provenance["versions"]["torch"],
        "canonical": record.dataset["canonical"],
    }


def shown(one: Tau, sign: str = "") -> str:
    return f"{one.value:{sign}.3f} [{one.low:{sign}.3f}, {one.high:{sign}.3f}]"


def report(rows: list[dict[str, Any]], truth: Truth) -> str:
    near = within(truth.flops, NEAR)
    pairs = int(np.triu(near, 1).sum())
    seeds = truth.single.shape[1]
    agree = [kendall(one, other) for one, other in combinations(truth.single.T, 2)]
    noise = f" Tau of one seed with another: {np.mean(agree):.3f}." if agree else ""
    lines = [
        "# What a supernet adds",
        "",
        f"Made by `benchmarks/supernet.py` from the ground truth of `supernet_truth`: {len(truth.mean)} networks of "
        f"channels.json, {counted(seeds, 'seed')} each; canonical: {str(rows[-1]['canonical']).lower()}. Kendall's tau "
        f"with the mean accuracy of the seeds, with a 95 % bootstrap interval over networks; near: the {pairs} pairs "
        f"within {NEAR:.0%} of each other's FLOPs.{noise}",
        "",
        *taus(rows, truth, near),
    ]
    for size in SIZES:
        lines += ["", f"## With {size} trainings alone", "", *gains(rows, truth, near, size)]
    if seeds > 1:  # one to choose by, the others to measure it by
        lines += ["", "## The choice under half the FLOPs", "", *choices(rows, truth)]
    lines += ["", "## What they cost", "", *costs(rows)]
    return "\n".join(lines) + "\n"


def titled(row: dict[str, Any]) -> str:
    return f"{row['variant']} (seed {row['seed']})"


def taus(rows: list[dict[str, Any]], truth: Truth, near: np.ndarray) -> list[str]:
    """A line for each predictor by itself."""
    predictors = {"FLOPs": truth.flops, "parameters": truth.parameters, "sum of log-widths": truth.design.sum(1)}
    for row in rows:
        for kind, sign in (("loss", -1), ("accuracy", 1)):
            predictors[f"{titled(row)}, by {kind}"] = sign * np.array(row[kind])[truth.places]
    lines = ["| predictor | tau | tau of near pairs |", "| --- | --- | --- |"]
    for name, values in predictors.items():
        lines.append(f"| {name} | {shown(tau(values, truth.mean))} | {shown(tau(values, truth.mean, near))} |")
    if (seeds := truth.single.shape[1]) > 1:
        most = " | ".join(shown(one) for one in posterior(truth).tau(seeds, near))
        lines += [
            f"| the networks' own accuracies | {most} |",
            "",
            "The own accuracies are those of the trainings with their noise taken out, as a hierarchical model has them"
            " (`supernet_posterior.py`; mean and central 95 % of its draws): no predictor can be expected to do better"
            f" against the mean of {counted(seeds, 'training')}.",
        ]
    return lines


def gains(rows: list[dict[str, Any]], truth: Truth, near: np.ndarray, size: int) -> list[str]:
    """What each supernet adds to a regression on so many trainings."""
    lines = [
        f"Regression on log-widths, and the same with the logarithm of the supernet's loss, fitted to {size} single "
        f"trainings that tell the most of {POOL:.0%} of the networks, as the search chooses them, and judged on all "
        f"others; in the last column fitted to drawn ones. Means over {SPLITS} splits; intervals by a jackknife over "
        "networks, fits included.",
        "",
        "| supernet | without | with | gain | gain in near pairs | gain with drawn trainings |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    judge, drawn_ones = Judge(truth, size), Judge(truth, size, spread=False)
    for row in rows:
        without, with_it, gain, close = judge.gain(row["loss"], near)
        shares = [shown(one, "+") for one in (gain, close, drawn_ones.gain(row["loss"], near)[2])]
        lines.append(f"| {titled(row)} | {without:.3f} | {with_it:.3f} | {' | '.join(shares)} |")
    return lines


def choices(rows: list[dict[str, Any]], truth: Truth) -> list[str]:
    """How far the chosen network is from the best, and for what share of what training all of the space costs."""
    there, every = small(truth), 256 * truth.space_flops.mean() / truth.space_flops.max()  # trainings of the widest
    own, seeds = posterior(truth), truth.single.shape[1]
    further = np.isfinite(truth.further[there]).sum()
    more = f" from these and {further} further trainings of theirs" if further else ""
    lines = [
        f"Of the {len(there)} networks of the ground truth under half the widest one's FLOPs, whose means have a "
        f"standard deviation of {100 * truth.mean[there].std(ddof=1):.2f} points. Regret: points that the chosen one "
        f"lacks to the best. Expected, with central 95 %: in the own accuracies, as the model has them{more}. At most: "
        "measured by a seed that the choice has not seen, and so is the best, which chance has helped. Cost: in shares "
        "of what training all 256 networks once takes; to confirm two networks three times, as the search does, would "
        f"be {6 / 256:.3f} more.",
        "",
        "| chosen by | trainings alone | regret, expected | at most | cost |",
        "| --- | --- | --- | --- | --- |",
    ]

    def line(name: str, trainings: object, said: list[np.ndarray], cost: str) -> None:
        mean, low, high = own.regret(truth, said)
        regret = f"{mean:.2f} [{low:.2f}, {high:.2f}]"
        lines.append(f"| {name} | {trainings} | {regret} | {lacks(truth, said):.2f} | {cost} |")

    line("training each alone, once", "all", list(truth.single.T), "1")
    line("most FLOPs", 0, [truth.flops] * seeds, "0")
    for size in SIZES:
        judge = Judge(truth, size)
        line("regression", size, judge.choices(None), f"{size / 256:.3f}")
        for row in rows:
            supernet = (row["train_seconds"] + row["score_seconds"]) / row["widest_seconds"] / every
            line(f"with {titled(row)}", size, judge.choices(row["loss"]), f"{size / 256 + supernet:.3f}")
    return lines


def costs(rows: list[dict[str, Any]]) -> list[str]:
    """What training and scoring each supernet took."""
    lines = [
        "In trainings of the widest network with the epochs of the ground truth: FLOPs, and seconds beside it.",
        "",
        "| supernet | FLOPs of its training | seconds of its training | of scoring all 256 | machine |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        took = (
            f"{row[key] / row['widest_seconds']:.2f} ({row[key]:.0f} s)" for key in ("train_seconds", "score_seconds")
        )
        machine = f"{row['device']}, {row['threads']} threads, {row['precision']}, torch {row['torch']}"
        lines.append(f"| {titled(row)} | {row['flops_of_widest']:.2f} | {' | '.join(took)} | {machine} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="*", choices=list(VARIANTS), default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--data-dir")
    options = parser.parse_args()
    device = resolve_device(options.device)
    trainings = RESULTS / f"supernet_truth-{device.type}.jsonl"
    if not read(trainings):
        parser.error(f"there is no {trainings} yet; supernet_truth.py makes it")
    recipe = Recipe.from_dict(read(trainings)[-1]["recipe"])
    truth = truth_of(table(of_recipe(read(trainings), recipe)))
    path = RESULTS / f"supernet-{device.type}.jsonl"
    rows = of_recipe(read(path), recipe)
    for seed in range(1, options.seeds + 1):
        for name in options.variants:
            if any(row["variant"] == name and row["seed"] == seed for row in rows):
                continue
            print(f"{name}, seed {seed}", flush=True)
            rows.append(run(name, recipe, seed, options.device, options.data_dir))
            append(path, rows[-1])
    if not rows:
        parser.error("--variants: there is no supernet of this ground truth yet, at least one is needed")
    text = report(rows, truth)
    (RESULTS / f"supernet-{device.type}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
