"""Accuracy beside davidcpage/cifar10-fast's own code: the same widths, images, schedule and epochs, many seeds of each.

    python benchmarks/cifar10_fast.py --peer CHECKOUT --data-dir DIR [--seeds 10] [--epochs 5] [--only ours|theirs]

CHECKOUT is a checkout of github.com/davidcpage/cifar10-fast (commit f79e8b8); its code is imported from there, runs on
the CPU in fp32, and augments as its dawn.py does. Ours is the recipe resnet9-tiny as it ships. Each run is a line of
benchmarks/results/cifar10_fast.jsonl, written when it ends: started again, the program does what is missing. At the end
it writes benchmarks/results/cifar10_fast.md.
"""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rows import append, read
from scipy.stats import t as student
from scipy.stats import ttest_ind

from fastcifar.data import Dataset, load
from fastcifar.train import named_recipe, train
from fastcifar.train.record.provenance import provenance
from fastcifar.train.step.precision import resolve_precision

RESULTS = Path(__file__).parent / "results"
RECIPE = "resnet9-tiny"
MARGIN = 0.5  # points of accuracy


def ours(dataset: Dataset, epochs: int, seed: int, precision: str) -> dict[str, Any]:
    recipe = named_recipe(RECIPE).with_params({"total_epoch": epochs, "precision": precision})
    result = train(recipe, dataset, seed, device="cpu")
    return {
        "valid_acc": [row.valid_acc for row in result.epochs],
        "valid_loss": [row.valid_loss for row in result.epochs],
        "train_seconds": result.times.train,
        "precision": result.precision,
    }


def theirs(dataset: Dataset, epochs: int, seed: int, checkout: str) -> dict[str, Any]:
    core, dawn_utils, backend = _import_peer(checkout)
    np.random.seed(seed)
    torch.manual_seed(seed)
    train_batches, valid_batches = _peer_batches(core, backend, dataset)
    recipe = named_recipe(RECIPE).with_params({"total_epoch": epochs})
    schedule = core.PiecewiseLinear([0, recipe.peak_epoch, epochs], [0, recipe.peak_lr, 0])
    size = recipe.batch_size
    model = backend.Network(dawn_utils.net(channels=recipe.channels)).to(memory_format=torch.channels_last)
    optimizer = backend.SGD(
        backend.trainable_params(model).values(),
        {
            "lr": lambda step: schedule(step / len(train_batches)) / size,
            "weight_decay": core.Const(recipe.base_wd * size),
            "momentum": core.Const(recipe.momentum),
        },
    )
    state = {backend.MODEL: model, backend.LOSS: backend.x_ent_loss, backend.OPTS: [optimizer]}
    timer = core.Timer()
    rows = [backend.train_epoch(state, timer, train_batches, valid_batches) for _ in range(epochs)]
    return {
        "valid_acc": [float(row["valid"]["acc"]) for row in rows],
        "valid_loss": [float(row["valid"]["loss"]) for row in rows],
        "train_seconds": sum(row["train"]["time"] for row in rows),
        "precision": "O0",
    }


def _import_peer(checkout: str) -> tuple[Any, Any, Any]:
    np.float = float  # type: ignore[attr-defined]  # a name that numpy has removed, for the old code
    if checkout not in sys.path:
        sys.path.insert(0, checkout)
    import core
    import dawn_utils
    import torch_backend

    return core, dawn_utils, torch_backend


def _peer_batches(core: Any, backend: Any, dataset: Dataset) -> tuple[Any, Any]:
    class Loader(backend.DataLoader):  # theirs casts to half and sends to the GPU
        def __iter__(self) -> Any:
            if self.set_random_choices:
                self.dataset.set_random_choices()
            return ({"input": x.to(memory_format=torch.channels_last), "target": y.long()} for x, y in self.dataloader)

    mean, std = (np.array(x, dtype=np.float32) for x in (backend.cifar10_mean, backend.cifar10_std))
    steps = [partial(core.normalise, mean=mean, std=std), partial(core.transpose, source="NHWC", target="NCHW")]
    train_set, valid_set = (
        list(zip(*core.preprocess({"data": s.images, "targets": s.labels}, first + steps).values(), strict=True))
        for s, first in ((dataset.train, [partial(core.pad, border=4)]), (dataset.test, []))
    )
    transforms = [core.Crop(32, 32), core.FlipLR(), core.Cutout(8, 8)]
    train_batches = Loader(core.Transform(train_set, transforms), 512, True, set_random_choices=True, drop_last=True)
    return train_batches, Loader(valid_set, 512, False)


def report(rows: list[dict[str, Any]], epochs: int, dataset: Dataset) -> str:
    """The table, with the 95 % Welch interval of the difference of the mean accuracies."""
    groups = sorted({(row["who"], row["precision"]) for row in rows})
    acc = {
        group: np.array([100 * row["valid_acc"][-1] for row in rows if (row["who"], row["precision"]) == group])
        for group in groups
    }
    machines = {f"{row['device']}, torch {row['versions']['torch']}" for row in rows}
    lines = [
        f"# {RECIPE}, {epochs} epochs: ours beside davidcpage/cifar10-fast",
        "",
        f"{dataset.name}, fingerprint {dataset.fingerprint[:12]}, canonical: {str(dataset.canonical).lower()}; "
        f"{'; '.join(sorted(machines))}. Made by `benchmarks/cifar10_fast.py`; O0 is fp32, O2 bf16 with fp32 copies.",
        "",
        "| code | precision | n | test accuracy, mean | standard deviation | 95 % interval of the mean |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for (who, precision), values in acc.items():
        half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
        lines.append(
            f"| {who} | {precision} | {len(values)} | {values.mean():.2f} % | {values.std(ddof=1):.2f} "
            f"| {values.mean() - half:.2f} to {values.mean() + half:.2f} |"
        )
    lines.append("")
    theirs_acc = acc["theirs", "O0"]
    for (who, precision), values in acc.items():
        if who == "ours":
            low, high = ttest_ind(values, theirs_acc, equal_var=False).confidence_interval()
            verdict = "within" if low > -MARGIN and high < MARGIN else "not within"
            lines.append(
                f"Ours in {precision} less theirs: {values.mean() - theirs_acc.mean():+.2f} points, 95 % interval "
                f"{low:+.2f} to {high:+.2f} (Welch), {verdict} {MARGIN} points.\n"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="checkout of cifar10-fast")
    parser.add_argument("--data-dir")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--seeds", type=int, default=10, help="number of seeds")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--precision", default="auto", help="of ours; theirs runs in fp32")
    parser.add_argument("--only", choices=["ours", "theirs"])
    options = parser.parse_args()
    dataset = load("cifar10", options.data_dir)
    path = RESULTS / "cifar10_fast.jsonl"
    rows = read(path)
    done = {(row["who"], row["precision"], row["epochs"], row["seed"]) for row in rows}
    precision = resolve_precision(options.precision, torch.device("cpu")).name
    run = {"ours": partial(ours, precision=precision), "theirs": partial(theirs, checkout=options.peer)}
    for seed in range(options.first, options.first + options.seeds):
        for who in [options.only] if options.only else run:
            if (who, precision if who == "ours" else "O0", options.epochs, seed) in done:
                continue
            figures = run[who](dataset, options.epochs, seed)
            row = {"who": who, "epochs": options.epochs, "seed": seed, **figures, **provenance(torch.device("cpu"))}
            append(path, row)
            rows.append(row)
            print(f"{who} seed {seed}: {100 * row['valid_acc'][-1]:.2f} %, {row['train_seconds']:.0f} s", flush=True)
    rows = [row for row in rows if row["epochs"] == options.epochs]
    if all(sum(row["who"] == who for row in rows) > 1 for who in run):  # a spread needs two
        text = report(rows, options.epochs, dataset)
        path.with_suffix(".md").write_text(text)
        print(text)


if __name__ == "__main__":
    main()
