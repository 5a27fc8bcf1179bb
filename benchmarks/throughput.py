"""Trials per hour on one device against the number of trials beside each other.

    python benchmarks/throughput.py [--concurrency 1 2 4] [--rounds 3] [--images 5000] [--data-dir DIR]

Each trial trains resnet9-tiny for one epoch on a part of the images, in warm workers, as `fastcifar search` does; the
machine's threads are divided among them. The numbers of workers take turns, one round each; the first trial of every
worker is not counted. Medians over the rounds. Writes results/throughput-<device type>.md.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from fastcifar.experiment.loop import Driver
from fastcifar.experiment.session import driving
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.folders import make_folder
from fastcifar.train import named_recipe, resolve_device
from fastcifar.train.record.provenance import provenance

RESULTS = Path(__file__).parent / "results"
PER_WORKER = 4  # trials counted


def trials_an_hour(spec: Spec, out: Path) -> float:
    """Of one search, between the end of its workers' first trials and the end of the last."""
    with driving(make_folder(out, "throughput"), spec, _quiet) as driver:
        driver.search()
    failed = [row.message for row in driver.rows.values() if row.state != "finished"]
    if failed:
        raise SystemExit(f"a trial failed: {failed[0]}")
    ends = sorted(row.ended or 0.0 for row in driver.rows.values())
    counted = len(ends) - spec.concurrency
    return counted / (ends[-1] - ends[spec.concurrency - 1]) * 3600


def _quiet(driver: Driver) -> None:
    pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--data-dir", default=None)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = resolve_device(options.device)
    recipe = named_recipe("resnet9-tiny").with_params({"total_epoch": 1, "train_images": options.images})
    found: dict[int, list[float]] = {count: [] for count in options.concurrency}
    with tempfile.TemporaryDirectory() as out:
        for number in range(options.rounds):
            for count in options.concurrency:
                spec = Spec(
                    space={"peak_lr": {"_type": "uniform", "_value": [0.1, 0.6]}},
                    tuner={"name": "Random"},
                    trials=(PER_WORKER + 1) * count,
                    concurrency=count,
                    recipe=recipe.to_dict(),
                    data_dir=options.data_dir,
                    device=str(device),
                )
                found[count].append(trials_an_hour(spec, Path(out)))
                print(f"round {number}, {count} at a time: {found[count][-1]:.0f} trials an hour", flush=True)
    machine = provenance(device)
    medians = {count: statistics.median(values) for count, values in found.items()}
    first = medians[options.concurrency[0]]
    lines = [
        "# Trials an hour",
        "",
        f"resnet9-tiny, 1 epoch of {options.images:,} images; {machine['device']}, {machine['threads']} threads; "
        f"torch {machine['versions']['torch']}, medians of {options.rounds} rounds. By `benchmarks/throughput.py`.",
        "",
        f"| at a time | trials an hour | against {options.concurrency[0]} |",
        "| --- | --- | --- |",
        *(f"| {count} | {value:.0f} | {value / first:.2f} |" for count, value in medians.items()),
    ]
    text = "\n".join(lines) + "\n"
    (RESULTS / f"throughput-{device.type}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
