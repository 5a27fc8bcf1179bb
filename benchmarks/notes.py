"""The experiments of the notes again, ours beside theirs: epoch tables, precision, depth, shortcuts.

    python benchmarks/notes.py [--quick] [--runs 1] [--device auto] [--data-dir DIR]

The notes' figures are one run each, on a GPU that they do not name. In full that is 24 epochs, for a GPU. --quick is
for a CPU: a quarter of the widths and 5 epochs of 10,000 training images (for the precisions, whose network is small
already, its epochs of 5,000), 2,000 test images; there only the order of the rows and their ratios can be compared.

Each run is a line of results/notes-<device type>[-quick].jsonl, written when it ends: started again, the program does
what is missing. Rows of a dataset that is not here are left out. At the end it writes the .md beside.
"""

import argparse
import json
import statistics as stats
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rows import append, read

from fastcifar.data import Dataset, NoDataError, Split, load
from fastcifar.net import LAYERS
from fastcifar.train import Recipe, named_recipe, resolve_device, train
from fastcifar.train.record.provenance import provenance

RESULTS = Path(__file__).parent / "results"
TABLES = json.loads((Path(__file__).parent / "tables" / "notes.json").read_text())
QUICK_TEST_IMAGES = 2000
MISSING = "-"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One row of a part, and what the notes have for it; seconds are of training and validation together."""

    part: str
    name: str
    recipe: Recipe
    accuracy: float | None = None  # a share of 1
    seconds: float | None = None  # of the run
    epoch_seconds: float | None = None


def experiments(quick: bool) -> list[Experiment]:
    """All rows, in the order of the report."""
    return [*epoch_tables(quick), *precisions(quick), *depths(quick), *shortcuts(quick)]


def epoch_tables(quick: bool) -> Iterator[Experiment]:
    """The four tables of the notes' benchmark, and that of their first network, with extra blocks for shortcuts."""
    for name, table in TABLES.items():
        recipe = named_recipe(name)
        yield Experiment(
            part="epoch tables",
            name=name,
            recipe=shorten(recipe) if quick else recipe,
            accuracy=table["valid_acc"][-1],
            seconds=table["seconds"],
            epoch_seconds=stats.median(table["epoch_time"]),
        )


def precisions(quick: bool) -> Iterator[Experiment]:
    """Channels [16, 32, 48, 96]; which mode of apex's amp `new` is they do not say: O1 is the one in their listing."""
    theirs = {
        "O0": ("fp32", {3: 53.0, 5: 59.0, 7: 110.0}),
        "half": ("old fp16", {5: 60.0, 7: 120.0}),
        "O1": ("new", {5: 52.0, 7: 71.0}),
    }
    small = named_recipe("resnet9").with_params({"prep": 16, "layer1": 32, "layer2": 48, "layer3": 96})
    for precision, (title, seconds) in theirs.items():
        for epochs in (3, 5, 7):
            params = {"total_epoch": epochs, "precision": precision, "train_images": 5000 if quick else None}
            name = f"{precision} (notes: {title}), {epochs} epochs"
            recipe = small.with_params(params)
            yield Experiment(part="precision", name=name, recipe=recipe, seconds=seconds.get(epochs))


def depths(quick: bool) -> Iterator[Experiment]:
    """Extra blocks. Without any the notes have 3.0 s an epoch, which is what their (64, 112, 256, 384) takes."""
    theirs: list[tuple[Sequence[str], int, float, float | None]] = [
        ((), 0, 3.0, None),
        (("layer1", "layer3"), 1, 3.4, None),
        (("layer1", "layer2", "layer3"), 1, 3.6, None),
        (LAYERS, 1, 4.0, 0.9415),
        (LAYERS, 2, 5.0, 0.9383),
        (LAYERS, 3, 6.1, 0.9344),
        (LAYERS, 4, 7.1, 0.9278),
    ]
    for layers, count, seconds, accuracy in theirs:
        name = f"{count} on each of {short(layers)}" if count else "no extra blocks"
        recipe = deep(layers, count, quick)
        yield Experiment(part="depth", name=name, recipe=recipe, accuracy=accuracy, epoch_seconds=seconds)


def shortcuts(quick: bool) -> Iterator[Experiment]:
    """`res_layers`, with 4 extra blocks on each layer: the notes' 7.1 s an epoch is that of the deepest above."""
    theirs: list[tuple[Sequence[str], float | None]] = [
        (("layer1", "layer3"), 7.1),
        (("prep", "layer2"), 7.6),
        ((), None),
    ]
    for layers, seconds in theirs:
        recipe = deep(LAYERS, 4, quick).with_params({"res_layers": list(layers)})
        name = f"on {short(layers)}" if layers else "none"
        yield Experiment(part="shortcuts", name=name, recipe=recipe, epoch_seconds=seconds)


def deep(layers: Sequence[str], count: int, quick: bool) -> Recipe:
    recipe = named_recipe("resnet9-384").with_params({"extra_layers": dict.fromkeys(layers, count)})
    return shorten(recipe) if quick else recipe


def shorten(recipe: Recipe) -> Recipe:
    widths = {layer: width // 4 for layer, width in recipe.channels.items()}
    return recipe.with_params({**widths, "total_epoch": 5, "train_images": 10_000})


def short(layers: Sequence[str]) -> str:
    """As the notes write them: p, 1, 2, 3."""
    return ", ".join(layer.removeprefix("layer").replace("prep", "p") for layer in layers)


def find_images(names: set[str], data_dir: str | None, quick: bool) -> dict[str, Dataset]:
    """The datasets that are here, in --quick with fewer test images."""
    found = {}
    for name in sorted(names):
        try:
            dataset = load(name, data_dir)
        except NoDataError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        if quick:
            part = slice(QUICK_TEST_IMAGES)
            dataset = replace(dataset, test=Split(images=dataset.test.images[part], labels=dataset.test.labels[part]))
        found[name] = dataset
    return found


def run(recipe: Recipe, dataset: Dataset, seed: int, device: str) -> dict[str, Any]:
    """Train once; what is kept of it."""
    result = train(recipe, dataset, seed, device=device)
    return {
        "recipe": recipe.to_dict(),
        "seed": seed,
        "status": result.status,
        "valid_acc": [row.valid_acc for row in result.epochs],
        "train_loss": [row.train_loss for row in result.epochs],
        "epoch_time": [row.epoch_time for row in result.epochs],
        "seconds": result.times.to_dict(),
        "precision": result.precision,
        "parameters": result.parameters,
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "canonical": dataset.canonical,
        "test_images": len(dataset.test.labels),
        **result.provenance,
    }


def rows_of(experiment: Experiment, rows: list[dict[str, Any]], images: dict[str, Dataset]) -> list[dict[str, Any]]:
    """The runs of an experiment on the images that are here; two experiments may share theirs."""
    dataset = images.get(experiment.recipe.dataset)
    return [
        row
        for row in rows
        if dataset is not None
        and row["fingerprint"] == dataset.fingerprint
        and Recipe.from_dict(row["recipe"]) == experiment.recipe
    ]


def report(quick: bool, rows: list[dict[str, Any]], images: dict[str, Dataset], machine: dict[str, Any]) -> str:
    """A table for each part; in full also epoch by epoch, for the tables of the notes."""
    kinds = "; ".join(
        f"{d.name}, fingerprint {d.fingerprint[:12]}, canonical: {str(d.canonical).lower()}" for d in images.values()
    )
    lines = [
        "# The notes' experiments" + (", shortened" if quick else ""),
        "",
        f"{kinds}; {machine['device']}, {machine['threads']} threads, torch {machine['versions']['torch']}. Means of "
        "n runs, beside one run of the notes, on a GPU that they do not name. Seconds are of training and validation; "
        "of an epoch the median. By `benchmarks/notes.py`"
        + (", whose head says what was shortened." if quick else "."),
    ]
    every = experiments(quick)
    for part in dict.fromkeys(experiment.part for experiment in every):
        mine = [experiment for experiment in every if experiment.part == part]
        lines += [
            "",
            f"## {part[0].upper()}{part[1:]}",
            "",
            "| | n | parameters | accuracy, notes | ours | seconds, notes | ours | seconds an epoch, notes | ours "
            "| epoch against the first row's, notes | ours |",
            "| --- |" + " --- |" * 10,
        ]
        first = rows_of(mine[0], rows, images)
        for experiment in mine:
            found = rows_of(experiment, rows, images)
            lines.append(_line(experiment, found, mine[0].epoch_seconds, epoch_seconds(first)))
    if not quick:
        for experiment in epoch_tables(quick):
            found = rows_of(experiment, rows, images)
            if found:
                lines += _epoch_table(experiment.name, found[0])
    return "\n".join(lines) + "\n"


def _line(experiment: Experiment, found: list[dict[str, Any]], first: float | None, our_first: float | None) -> str:
    ended = [row for row in found if row["status"] == "finished"]
    accuracy = stats.mean(row["valid_acc"][-1] for row in ended) if ended else None
    seconds = stats.mean(sum(row["epoch_time"]) for row in ended) if ended else None
    theirs, ours = experiment.epoch_seconds, epoch_seconds(found)
    cells = [
        experiment.name,
        str(len(ended)) + (f", {len(found) - len(ended)} diverged" if len(found) > len(ended) else ""),
        f"{found[0]['parameters']:,}" if found else MISSING,
        *(_cell(value, ".2%") for value in (experiment.accuracy, accuracy)),
        *(_cell(value, ".1f") for value in (experiment.seconds, seconds)),
        *(_cell(value, ".3g") for value in (theirs, ours)),
        _cell(theirs and first and theirs / first, ".2f"),
        _cell(ours and our_first and ours / our_first, ".2f"),
    ]
    return f"| {' | '.join(cells)} |"


def epoch_seconds(found: list[dict[str, Any]]) -> float | None:
    """The median over the epochs of all runs."""
    times = [seconds for row in found for seconds in row["epoch_time"]]
    return stats.median(times) if times else None


def _cell(value: float | None, form: str) -> str:
    return MISSING if value is None else format(value, form)


def _epoch_table(name: str, row: dict[str, Any]) -> list[str]:
    """Of the first run."""
    columns = ("train_loss", "valid_acc", "epoch_time")
    titles = [f"{column.replace('_', ' ')}, {who}" for column in columns for who in ("notes", "ours")]
    lines = ["", f"## {name}, seed {row['seed']}", "", f"| epoch | {' | '.join(titles)} |", "| --- |" + " --- |" * 6]
    for epoch, values in enumerate(zip(*(pair[c] for c in columns for pair in (TABLES[name], row)), strict=False)):
        lines.append(f"| {epoch + 1} | {' | '.join(f'{value:.4f}' for value in values)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--runs", type=int, default=1, help="of each row, with the seeds 0 to N - 1")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--data-dir")
    options = parser.parse_args()
    device = resolve_device(options.device)
    every = experiments(options.quick)
    images = find_images({experiment.recipe.dataset for experiment in every}, options.data_dir, options.quick)
    path = RESULTS / f"notes-{device.type}{'-quick' if options.quick else ''}.jsonl"
    rows = read(path)
    here = [experiment for experiment in every if experiment.recipe.dataset in images]
    for seed in range(options.runs):
        for number, experiment in enumerate(here, 1):
            if any(row["seed"] == seed for row in rows_of(experiment, rows, images)):
                continue
            row = run(experiment.recipe, images[experiment.recipe.dataset], seed, str(device))
            append(path, row)
            rows.append(row)
            done = f"seed {seed}, row {number} of {len(here)}, {experiment.part}, {experiment.name}"
            print(f"{done}: {row['status']}, {sum(row['epoch_time']):.1f} s", file=sys.stderr, flush=True)
    text = report(options.quick, rows, images, provenance(device))
    path.with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
