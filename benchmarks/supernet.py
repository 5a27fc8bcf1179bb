"""What a supernet adds to a small regression, for each way of training it, on networks of search_spaces/channels.json.

    python benchmarks/supernet_truth.py
    python benchmarks/supernet.py [--variants NAME ...] [--seeds 1] [--device auto] [--data-dir D]

Trains a supernet with each variant, with the budget of the ground truth (as many epochs of the same images), scores all
256 networks, and adds what it has found, with all raw scores, to results/supernet-DEVICE.jsonl; skips what is there.
Then writes results/supernet-DEVICE.md: Kendall's tau of every predictor with the ground truth, and what each supernet
adds to the regression at 10 and 20 trainings, judged on the networks that are left out.
"""

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from supernet_truth import RESULTS, SPACE, WIDTHS, read, table

from fastcifar.data import load
from fastcifar.names import counted
from fastcifar.net import count_flops
from fastcifar.search.experiment.spec import read_space
from fastcifar.search.experiment.training import flops
from fastcifar.statistics.tau import Tau, interval, kendall, tau, within
from fastcifar.supernet import Material, Plan, scores, train_supernet
from fastcifar.supernet.material import CALIBRATION
from fastcifar.supernet.methods import drawn
from fastcifar.supernet.predict import features, fit
from fastcifar.supernet.ranking import SCORED
from fastcifar.train import Hooks, Recipe, describe_network, format_row, resolve_device, train

SPLITS = 60  # draws of the networks that are trained alone
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
    "sandwich, 1.5 times the epochs": Variant(method="sandwich", epochs=1.5),
    "sandwich, calibrated on 2,048 images": Variant(method="sandwich", calibration=2048),
}


def run(name: str, recipe: Recipe, seed: int, device: str, data_dir: str | None) -> dict[str, Any]:
    """Train one supernet and score all networks."""
    variant = VARIANTS[name]
    made = recipe.with_params({"total_epoch": max(1, round(variant.epochs * recipe.total_epoch))})
    entries = read_space(Path(__file__).parent.parent / "search_spaces" / "channels.json")
    plan = Plan(recipe=made, space=entries, method=variant.method, rates=variant.rates, seed=seed)
    dataset = load(recipe.dataset, data_dir)
    hooks = Hooks(on_epoch=lambda row: print(format_row(row), flush=True))
    supernet, record = train_supernet(plan, dataset, device=device, hooks=hooks)
    if record.status != "finished":
        raise SystemExit(f"{name}: {record.status}: {record.message}")
    material = Material(record, dataset, supernet)
    began = time.perf_counter()
    points = list(plan.choices.points())
    found = scores(
        supernet,
        [plan.choices.of(one) for one in points],
        material.calibration(variant.calibration),
        material.valid(SCORED),
    )
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
        "torch": record.provenance["versions"]["torch"],
        "canonical": record.dataset["canonical"],
    }


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The networks that were trained alone: their places in the space, accuracies (n, seeds) and means (n,), shares.

    widths and space_flops: of all networks of the space.
    """

    places: np.ndarray
    single: np.ndarray
    mean: np.ndarray
    flops: np.ndarray
    parameters: np.ndarray
    design: np.ndarray
    widths: np.ndarray
    space_flops: np.ndarray


def truth_of(frame: pd.DataFrame) -> Truth:
    points = [{key: int(row[key]) for key in WIDTHS} for _, row in frame.iterrows()]
    every = [SPACE.decode(row) for row in SPACE.points()]
    order = {tuple(one.values()): number for number, one in enumerate(every)}
    values = {parameter.key: parameter.values or () for parameter in SPACE.parameters}
    accuracies = [name for name in frame if name.startswith("acc")]
    return Truth(
        places=np.array([order[tuple(one.values())] for one in points]),
        single=frame[accuracies].to_numpy(float) / 100,
        mean=frame["mean"].to_numpy(float) / 100,
        flops=frame["flops"].to_numpy(float),
        parameters=frame["params"].to_numpy(float),
        design=features(points, values),
        widths=features(every, values),
        space_flops=np.array([count_flops(describe_network(Recipe(**one), 10)) for one in every]),
    )


def matrices(truth: Truth, score: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """What the regression sees of the truth's networks and of all of the space: log-widths, and a score's logarithm."""
    if score is None:
        return truth.design, truth.widths
    log = np.log(score)
    return np.column_stack([truth.design, log[truth.places]]), np.column_stack([truth.widths, log])


def splits(truth: Truth, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Networks that are trained, and those that are left out."""
    rng, everything = np.random.default_rng(size), np.arange(len(truth.mean))
    chosen = [rng.permutation(everything)[:size] for _ in range(SPLITS)]
    return [(some, np.setdiff1d(everything, some)) for some in chosen]


def foretold(truth: Truth, size: int, score: np.ndarray | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each split the networks left out, and what a regression on single trainings of the others says of them."""
    design, spread = matrices(truth, score)
    found = []
    for number, (some, left) in enumerate(splits(truth, size)):
        accuracy = truth.single[some, number % truth.single.shape[1]]
        found.append((left, -fit(design[some], accuracy, spread)(design[left])[0]))
    return found


def mean_tau(
    truth: Truth, said: list[tuple[np.ndarray, np.ndarray]], some: np.ndarray, near: np.ndarray | None
) -> float:
    """Tau over the networks of `some` (with repeats) that a split has left out, the mean over the splits."""
    values = []
    for left, prediction in said:
        whole = np.full(len(truth.mean), np.nan)
        whole[left] = prediction
        mine = some[np.isfinite(whole[some])]
        close = None if near is None else near[np.ix_(mine, mine)]
        values.append(kendall(whole[mine], truth.mean[mine], close))
    return float(np.nanmean(values))


def added(truth: Truth, size: int, score: np.ndarray, near: np.ndarray | None) -> tuple[float, float, Tau]:
    """Tau of the regression without and with a score, and the difference with its interval over networks."""
    without, with_it = foretold(truth, size, None), foretold(truth, size, score)

    def gain(some: np.ndarray) -> float:
        return mean_tau(truth, with_it, some, near) - mean_tau(truth, without, some, near)

    everything = np.arange(len(truth.mean))
    low, high = interval(gain, len(everything), draws=200)
    difference = Tau(value=gain(everything), low=low, high=high, pairs=len(everything))
    return mean_tau(truth, without, everything, near), mean_tau(truth, with_it, everything, near), difference


def small(truth: Truth) -> np.ndarray:
    """The truth's networks under half the FLOPs of the space's widest."""
    return np.flatnonzero(truth.flops <= truth.space_flops.max() / 2)


def regret(truth: Truth, size: int, score: np.ndarray | None) -> float:
    """Points that the network chosen under half the widest's FLOPs lacks to the best there; the mean over the splits.

    Measured by the seeds that the regression has not seen.
    """
    design, spread = matrices(truth, score)
    there, lost = small(truth), []
    for number, (some, _) in enumerate(splits(truth, size)):
        seen, others = seeds_apart(truth, number)
        said = fit(design[some], truth.single[some, seen], spread)(design[there])[0]
        lost.append(others[there].max() - others[there][np.argmin(said)])
    return 100 * float(np.mean(lost))


def regret_of(truth: Truth, values: np.ndarray | None) -> float:
    """The same of the network that has most of `values`; None: that does best when each is trained alone, once."""
    there, lost = small(truth), []
    for number in range(truth.single.shape[1]):
        seen, others = seeds_apart(truth, number)
        chosen = np.argmax((truth.single[:, seen] if values is None else values)[there])
        lost.append(others[there].max() - others[there][chosen])
    return 100 * float(np.mean(lost))


def seeds_apart(truth: Truth, number: int) -> tuple[int, np.ndarray]:
    """A seed that is seen, and the networks' means over the others."""
    seen = number % truth.single.shape[1]
    return seen, np.delete(truth.single, seen, axis=1).mean(1)


def shown(one: Tau, sign: str = "") -> str:
    return f"{one.value:{sign}.3f} [{one.low:{sign}.3f}, {one.high:{sign}.3f}]"


def report(rows: list[dict[str, Any]], truth: Truth) -> str:
    last = rows[-1]
    near = within(truth.flops, NEAR)
    pairs = int(np.triu(near, 1).sum())
    seeds = truth.single.shape[1]
    noise = f" Tau of one seed with the other: {kendall(*truth.single[:, :2].T):.3f}." if seeds > 1 else ""
    lines = [
        "# What a supernet adds",
        "",
        f"Made by `benchmarks/supernet.py` from the ground truth of `supernet_truth`: {len(truth.mean)} networks of "
        f"channels.json, {counted(seeds, 'seed')} each; {last['device']}, {last['threads']} threads, torch "
        f"{last['torch']}, canonical: {str(last['canonical']).lower()}. Kendall's tau with the mean accuracy of the "
        f"seeds, with a 95 % bootstrap interval over networks; near: the {pairs} pairs within {NEAR:.0%} of each "
        f"other's FLOPs.{noise}",
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
    return lines


def gains(rows: list[dict[str, Any]], truth: Truth, near: np.ndarray, size: int) -> list[str]:
    """What each supernet adds to a regression on so many trainings."""
    lines = [
        f"Regression on log-widths, and the same with the logarithm of the supernet's loss, fitted to {size} "
        f"single trainings and judged on the other networks; means over {SPLITS} draws.",
        "",
        "| supernet | without | with | gain | gain in near pairs |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        score = np.array(row["loss"])
        without, with_it, gain = added(truth, size, score, None)
        close = added(truth, size, score, near)[2]
        lines.append(f"| {titled(row)} | {without:.3f} | {with_it:.3f} | {shown(gain, '+')} | {shown(close, '+')} |")
    return lines


def choices(rows: list[dict[str, Any]], truth: Truth) -> list[str]:
    """How far the chosen network is from the best, and for what share of what training all of the space costs."""
    there = small(truth)
    spread = 100 * (truth.mean[there].max() - truth.mean[there].mean())
    lines = [
        f"Of the {len(there)} networks of the ground truth under half the widest one's FLOPs, whose best is "
        f"{spread:.2f} points above their mean. Regret: points that the chosen one lacks to the best, measured by the "
        "seeds that the choice has not seen; cost: in shares of what training all 256 networks once takes.",
        "",
        "| chosen by | trainings alone | regret | cost |",
        "| --- | --- | --- | --- |",
        f"| training each alone, once | all | {regret_of(truth, None):.2f} | 1 |",
        f"| most FLOPs | 0 | {regret_of(truth, truth.flops):.2f} | 0 |",
    ]
    every = 256 * truth.space_flops.mean() / truth.space_flops.max()  # trainings of the widest
    for size in SIZES:
        lines.append(f"| regression | {size} | {regret(truth, size, None):.2f} | {size / 256:.3f} |")
        for row in rows:
            supernet = (row["train_seconds"] + row["score_seconds"]) / row["widest_seconds"] / every
            lost = regret(truth, size, np.array(row["loss"]))
            lines.append(f"| with {titled(row)} | {size} | {lost:.2f} | {size / 256 + supernet:.3f} |")
    return lines


def costs(rows: list[dict[str, Any]]) -> list[str]:
    """What training and scoring each supernet took."""
    lines = [
        "In trainings of the widest network with the epochs of the ground truth: FLOPs, and seconds on this machine.",
        "",
        "| supernet | FLOPs of its training | seconds of its training | of scoring all 256 |",
        "| --- | --- | --- | --- |",
    ]
    for row in rows:
        took = (
            f"{row[key] / row['widest_seconds']:.2f} ({row[key]:.0f} s)" for key in ("train_seconds", "score_seconds")
        )
        lines.append(f"| {titled(row)} | {row['flops_of_widest']:.2f} | {' | '.join(took)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="*", choices=list(VARIANTS), default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--data-dir")
    options = parser.parse_args()
    device = resolve_device(options.device)
    lines = (RESULTS / f"supernet_truth-{device.type}.jsonl").read_text().splitlines()
    recipe = Recipe.from_dict(json.loads(lines[-1])["recipe"])
    truth = truth_of(table(read(RESULTS / f"supernet_truth-{device.type}.jsonl", recipe)))
    path = RESULTS / f"supernet-{device.type}.jsonl"
    rows = read(path, recipe)
    for seed in range(1, options.seeds + 1):
        for name in options.variants:
            if any(row["variant"] == name and row["seed"] == seed for row in rows):
                continue
            print(f"{name}, seed {seed}", flush=True)
            rows.append(run(name, recipe, seed, options.device, options.data_dir))
            with path.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    if not rows:
        parser.error("--variants: there is no supernet of this ground truth yet, at least one is needed")
    text = report(rows, truth)
    (RESULTS / f"supernet-{device.type}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
