"""What each technique of a speedrun buys: the recipe with it and without it, pair by pair.

    python benchmarks/techniques.py [--recipe speedrun94-cpu] [--images 10000] [--runs 5] [--device auto] [--data-dir D]

Trains the recipe on a stratified part of the training images (--images; of all of them on a GPU), so that a run takes
less than a minute, and measures the test images. With seed 0 the whole recipe runs, then each recipe that lacks one
technique; then all of them with seed 1, and so on, the order turned by one place each time. Differences are those of
the pairs, with Student's 95 % interval. Adds each run to results/techniques-DEVICE.jsonl as it ends, skips what is
there, and writes results/techniques-DEVICE.md.
"""

import argparse
from pathlib import Path
from typing import Any

from rows import append, read

from fastcifar.data import load
from fastcifar.statistics import Estimate, paired
from fastcifar.train import Recipe, named_recipe, resolve_device, train
from fastcifar.train.record.provenance import provenance

RESULTS = Path(__file__).parent / "results"
WHOLE = "all techniques"
WITHOUT: dict[str, dict[str, Any]] = {  # technique -> what the recipe has instead
    "whitening": {"whiten": 0},
    "whitening's bias trained": {"whiten_epochs": 0},
    "pooling before batch norm": {"pool_first": False},
    "GELU (ReLU instead)": {"activation": "relu"},
    "batch norms' scale fixed": {"train_bn_scale": True},
    "batch norm momentum 0.4 (0.1 instead)": {"bn_momentum": 0.1},
    "identity initialisation": {"identity_init": False},
    "small logits (0.125 and a small head instead)": {"unit_head": False, "logits_weight": 0.125, "head_lr": 2.0},
    "Muon (SGD at 1.5 instead)": {"optimizer": "sgd", "peak_lr": 1.5, "base_wd": 0.0013, "peak_epoch": 1},
    "high learning rate of biases": {"bias_lr": 2.0},
    "label smoothing": {"label_smoothing": 0.0},
    "alternating flip (random instead)": {"flip": "random"},
    "shift": {"shift": 0},
    "smaller images first": {"sizes": {}},
    "averaging": {"averaging": "none"},
}


def variants(recipe: Recipe) -> dict[str, Recipe]:
    """The whole recipe, and without views at the end one for each technique that it has, which lacks it."""
    found = {WHOLE: recipe}
    there = {"whiten": recipe.whiten > 0, "whiten_epochs": recipe.whiten > 0, "unit_head": recipe.unit_head}
    there |= {"optimizer": recipe.optimizer == "muon", "bias_lr": recipe.bias_lr is not None}
    for name, changes in WITHOUT.items():
        if not all(there.get(field, True) for field in changes):
            continue
        without = recipe.with_params(changes)
        if without != recipe:
            found[name] = without.with_params({"tta": "none"})
    return found


def run(recipe: Recipe, seed: int, device: str, data_dir: str | None) -> dict[str, Any]:
    step = "captured" if resolve_device(device).type == "cuda" else "auto"
    result = train(recipe, load(recipe.dataset, data_dir), seed, device=device, step=step)
    if result.status != "finished":
        raise SystemExit(f"seed {seed}: {result.status}: {result.message}")
    return {
        "accuracy": result.valid_acc,
        "tta_accuracy": result.tta_acc,
        "seconds": result.times.prepare + result.times.train,
        "tta_seconds": result.times.tta,
        "recipe": result.recipe.to_dict(),
        "images": result.dataset["train_images"],
        "fingerprint": result.dataset["fingerprint"],
        "canonical": result.dataset["canonical"],
        "device": result.provenance["device"],
        "threads": result.provenance["threads"],
        "torch": result.provenance["versions"]["torch"],
    }


def report(rows: list[dict[str, Any]], recipe: str) -> str:
    """A line for each technique: what the accuracy and the time lose without it."""
    runs: dict[str, dict[int, dict[str, Any]]] = {}
    for row in rows:
        runs.setdefault(row["technique"], {})[row["seed"]] = row
    last, whole = rows[-1], runs[WHOLE]
    accuracy = Estimate.of([100 * row["accuracy"] for row in whole.values()])
    seconds = Estimate.of([row["seconds"] for row in whole.values()])
    lines = [
        f"# What each technique of {recipe} buys",
        "",
        f"{recipe} on {last['images']:,} training images (canonical: {str(last['canonical']).lower()}), "
        f"{last['device']}, {last['threads']} threads, torch {last['torch']}: {accuracy} % of the test images without "
        f"further views, in {seconds} s. By `benchmarks/techniques.py`. Each line is the recipe with the technique "
        "less the recipe without it: points of accuracy, and the share of the time that it adds.",
        "",
        "| technique | n | accuracy | 95 % interval | p | time | 95 % interval |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, mine in runs.items():
        both = sorted(whole.keys() & mine.keys())
        if name == WHOLE or len(both) < 3:
            continue
        points = paired(*([100 * side[seed]["accuracy"] for seed in both] for side in (mine, whole)))
        time = Estimate.of([100 * (whole[seed]["seconds"] / mine[seed]["seconds"] - 1) for seed in both])
        gain, p = points.difference, points.p_value
        lines.append(
            f"| {name} | {len(both)} | {gain.mean:+.2f} | {gain.low:+.2f} to {gain.high:+.2f} | "
            f"{'' if p is None else f'{p:.3f}'} | {time.mean:+.0f} % | {time.low:+.0f} to {time.high:+.0f} % |"
        )
    if any(row["tta_accuracy"] is None for row in whole.values()):
        return "\n".join(lines) + "\n"
    views = paired(*([100 * row[key] for row in whole.values()] for key in ("accuracy", "tta_accuracy"))).difference
    cost = Estimate.of([100 * row["tta_seconds"] / row["seconds"] for row in whole.values()])
    lines.append(
        f"| the views at test time | {len(whole)} | {views.mean:+.2f} | {views.low:+.2f} to {views.high:+.2f} | | "
        f"{cost.mean:+.0f} % | {cost.low:+.0f} to {cost.high:+.0f} % |"
    )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe")
    parser.add_argument("--images", type=int)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--data-dir")
    options = parser.parse_args()
    if options.runs < 3:
        parser.error("--runs: a paired test needs at least 3")
    kind = resolve_device(options.device).type
    name = options.recipe or ("speedrun94-cpu" if kind == "cpu" else "speedrun94")
    images = options.images or (10_000 if kind == "cpu" else None)
    contenders = variants(named_recipe(name).with_params({"train_images": images}))
    path = RESULTS / f"techniques-{kind}.jsonl"
    rows, machine = read(path), provenance(resolve_device(options.device))
    here = {"device": machine["device"], "threads": machine["threads"], "torch": machine["versions"]["torch"]}
    here["fingerprint"] = load(named_recipe(name).dataset, options.data_dir).fingerprint
    for row in rows:
        known = {key: row.get(key) for key in here}
        if row["recipe"] != contenders.get(row["technique"], Recipe()).to_dict() or known != here:
            parser.error(f"{path} has runs of another recipe or machine, or of other images; move it away")
    order = list(contenders)
    for seed in range(options.runs):
        turn = seed % len(order)
        for technique in order[turn:] + order[:turn]:
            if any(row["technique"] == technique and row["seed"] == seed for row in rows):
                continue
            row = {
                "technique": technique,
                "seed": seed,
                **run(contenders[technique], seed, options.device, options.data_dir),
            }
            rows.append(row)
            append(path, row)
            print(f"seed {seed}, {technique}: {row['accuracy']:.4f} in {row['seconds']:.1f} s", flush=True)
    text = report(rows, name)
    path.with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
