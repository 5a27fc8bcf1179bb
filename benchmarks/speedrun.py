"""Our speedruns beside KellerJordan/cifar10-airbench's airbench94_muon.py: accuracy and time, run by run.

    python benchmarks/speedrun.py --peer FILE [--kept] [--recipes speedrun94-cpu] [--runs 5] [--device auto]
                                  [--data-dir DIR]

FILE is airbench94_muon.py of a checkout of github.com/KellerJordan/cifar10-airbench (see speedrun_peer.py). With seed 1
each contender runs once, then with seed 2, and so on, the order turned by one place each time (seed 0 is for choosing
recipes). A contender's time is that of whitening, preparing the images and training, with and without the evaluation of
its views; making the network, compiling and the other evaluations are outside on both sides. Ours also counts drawing
the weights and bringing the images to the device, which the peer has done before its clock starts.
On a CPU every run has a process of its own, and the peer runs eagerly; with --kept once more with the allocator set as
ours. On a GPU the peer is compiled, once, as it does itself; all that is not compiled of ours shares its process, and
`RECIPE, compiled` (compiled and recorded) has another one, which compiles once for all seeds. Each makes a whole run
before, which does not count.
Adds each run to results/speedrun-DEVICE.jsonl (--results: another folder) as it ends, skips what is there, and writes
results/speedrun-DEVICE.md.
"""

import argparse
import gc
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import torch
from rows import append, read
from speedrun_peer import Peer

from fastcifar.data import Dataset, load
from fastcifar.statistics import Estimate
from fastcifar.train import named_recipe, resolve_device, train
from fastcifar.train.record.provenance import provenance

RESULTS = Path(__file__).parent / "results"
AIMS = {"cpu": (0.2, 0.5), "cuda": (0.1, 0.6)}  # points of accuracy that may be lost, share of the time
PEERS: dict[str, list[str]] = {"airbench94_muon": []}  # flags of speedrun_peer.py on a CPU
KEPT = {"airbench94_muon, memory kept": ["--keep-memory"]}
WARM = 300  # products of large matrices before a run on a GPU: about half a second
COMPILED = ", compiled"  # after a recipe's name, on a GPU


def ours(contender: str, seed: int, device: str, data_dir: str | None) -> dict[str, Any]:
    """One run of a recipe, in this process."""
    recipe = named_recipe(contender.removesuffix(COMPILED))
    data = _images(recipe.dataset, data_dir)
    if resolve_device(device).type == "cuda":
        _warmed(contender, device, data_dir)
    result = train(recipe, data, seed, device=device, step=_step(contender, device))
    if result.status != "finished":
        raise SystemExit(f"{contender}, seed {seed}: {result.status}: {result.message}")
    return {
        "accuracy": result.valid_acc,
        "tta_accuracy": result.valid_acc if result.tta_acc is None else result.tta_acc,
        "recipe": result.recipe.to_dict(),
        "seconds": result.times.prepare + result.times.train,
        "tta_seconds": result.times.tta,
        "times": asdict(result.times),
        "flops": result.flops,
        "product_rate": result.product_rate,
        "precision": result.precision,
        "step": result.settings["step"],
        "dataset": result.dataset,
        **result.provenance,
    }


@cache
def _images(dataset: str, data_dir: str | None) -> Dataset:
    return load(dataset, data_dir)


@cache
def _warmed(contender: str, device: str, data_dir: str | None) -> None:
    """A whole run before, as the peer makes one: libraries load what they need when it is first called."""
    recipe = named_recipe(contender.removesuffix(COMPILED))
    train(recipe, _images(recipe.dataset, data_dir), 0, device=device, step=_step(contender, device))


def _step(contender: str, device: str) -> str:
    if resolve_device(device).type == "cpu":
        return "auto"
    return "compiled-captured" if contender.endswith(COMPILED) else "captured"


@cache
def _peer(path: str, device: str, data_dir: str | None) -> Peer:
    peer = Peer(path, _images("cifar10", data_dir), resolve_device(device), compiled=True)
    peer.warm_up()
    return peer


def here(contender: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One run in this process, which a GPU does not mind, and which finds it at full clock and its memory free."""
    gc.collect()
    product = torch.ones(8192, 8192, device=resolve_device(options.device), dtype=torch.half)
    for _ in range(WARM):
        product = (product @ product).clamp_(max=1)
    torch.cuda.synchronize()
    del product
    if contender not in options.peers:
        row = ours(contender, seed, options.device, options.data_dir)
        return {"contender": contender, "seed": seed, **row, **_of_images(row["dataset"])}
    row = _peer(options.peer, options.device, options.data_dir).run(seed)
    images, machine = _images("cifar10", options.data_dir), provenance(resolve_device(options.device))
    about = {"fingerprint": images.fingerprint, "canonical": images.canonical}
    return {"contender": contender, "seed": seed, **row, **about, **machine}


def _of_images(dataset: dict[str, Any]) -> dict[str, Any]:
    return {key: dataset[key] for key in ("fingerprint", "canonical")}


def one(contender: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One run: on a CPU in a process of its own; on a GPU in this one, or in the one of all that is compiled."""
    if resolve_device(options.device).type == "cuda":
        return options.worker.run(contender, seed) if contender.endswith(COMPILED) else here(contender, seed, options)
    where = ["--device", options.device, *(["--data-dir", options.data_dir] if options.data_dir else [])]
    if contender in options.peers:
        program = Path(__file__).with_name("speedrun_peer.py")
        command = [str(program), options.peer, *options.peers[contender], "--seed", str(seed), *where]
    else:
        command = [__file__, "--one", contender, str(seed), *where]
    done = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, text=True, check=True)
    return {"contender": contender, "seed": seed, **json.loads(done.stdout.splitlines()[-1])}


class Worker:
    """The process of what is compiled, which would have the peer in this one compiled again."""

    def __init__(self, contenders: list[str], options: argparse.Namespace) -> None:
        command = [sys.executable, __file__, "--serve", *contenders, "--device", options.device]
        command += ["--data-dir", options.data_dir] if options.data_dir else []
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, contender: str, seed: int) -> dict[str, Any]:
        """One run, when it is ready."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps([contender, seed]) + "\n")
        self.process.stdin.flush()
        row: dict[str, Any] = self.answer()
        return row

    def answer(self) -> Any:
        """What it says next; its first word is that it is ready."""
        assert self.process.stdout
        if line := self.process.stdout.readline():
            return json.loads(line)
        raise SystemExit(f"the process of what is compiled ended with {self.process.wait()}")

    def end(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def serve(contenders: list[str], options: argparse.Namespace) -> None:
    """Be the process of a Worker."""
    out, sys.stdout = sys.stdout, sys.stderr  # what others print is no answer
    options.peers = {}
    for contender in contenders:
        _warmed(contender, options.device, options.data_dir)
    print(json.dumps("ready"), file=out, flush=True)
    for line in sys.stdin:
        print(json.dumps(here(*json.loads(line), options)), file=out, flush=True)


def warm_up(contenders: list[str], options: argparse.Namespace) -> None:
    """On a GPU, compile and warm up everything at the same time, before anything is timed."""
    compiled = [contender for contender in contenders if contender.endswith(COMPILED)]
    options.worker = Worker(compiled, options) if compiled else None
    for contender in contenders:
        if contender in options.peers:
            _peer(options.peer, options.device, options.data_dir)
        elif contender not in compiled:
            _warmed(contender, options.device, options.data_dir)
    if options.worker:
        options.worker.answer()


def report(rows: list[dict[str, Any]], base: str, kind: str) -> str:
    """The table, and what each contender on the same images is against `base`, pair by pair. kind: of device."""
    last = rows[-1]
    lines = [
        "# Speedruns",
        "",
        f"{last['device']}, {last['threads']} threads; torch {last['versions']['torch']}. By `benchmarks/speedrun.py`, "
        "which says what is timed.",
        "",
        "| contender | images (fingerprint) | n | accuracy | over its views | seconds | with the views |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    runs: dict[str, dict[int, dict[str, Any]]] = {}
    for row in rows:
        runs.setdefault(row["contender"], {})[row["seed"]] = row
    for name, mine in runs.items():
        columns = [
            Estimate.of([100 * row["accuracy"] for row in mine.values()]),
            Estimate.of([100 * row["tta_accuracy"] for row in mine.values()]),
            Estimate.of([row["seconds"] for row in mine.values()]),
            Estimate.of([_seconds(row) for row in mine.values()]),
        ]
        one = next(iter(mine.values()))
        images = f"{one['fingerprint'][:12]}, canonical: {str(one['canonical']).lower()}"
        lines.append(f"| {name} | {images} | {len(mine)} | {' | '.join(_cell(column) for column in columns)} |")
    lines.append("")
    for name, mine in runs.items():
        lines += _work(name, [row for row in mine.values() if "flops" in row])
    beside = runs.get(base, {})  # its first run may be still to come
    compared = [_against(base, beside, name, mine, kind) for name, mine in runs.items() if name != base]
    return "\n".join([*lines, "", f"Against {base}, by the same seeds:", "", *filter(None, compared)]) + "\n"


def _work(name: str, mine: list[dict[str, Any]]) -> list[str]:
    """How much a contender computes, and how fast."""
    if not mine:
        return []
    rate = Estimate.of([row["flops"] / row["times"]["train"] / 1e12 for row in mine])
    share = Estimate.of([row["flops"] / row["times"]["train"] / row["product_rate"] for row in mine])
    return [
        f"{name} computes {mine[0]['flops'] / 1e15:.3f} PFLOP in its training, at {rate.mean:.2f} TFLOP/s: "
        f"{share.mean:.2f} of what a large matrix product reaches in the same process."
    ]


def _against(
    base: str, theirs: dict[int, dict[str, Any]], name: str, mine: dict[int, dict[str, Any]], kind: str
) -> str | None:
    """A line of what a contender is against another, by the seeds of both; None where there is nothing to compare."""
    both = sorted(theirs.keys() & mine.keys())
    if len(both) < 2 or theirs[both[0]]["fingerprint"] != mine[both[0]]["fingerprint"]:
        return None
    margin, most = AIMS[kind]
    views = Estimate.of([100 * (mine[seed]["tta_accuracy"] - theirs[seed]["tta_accuracy"]) for seed in both])
    share = Estimate.of([_seconds(mine[seed]) / _seconds(theirs[seed]) for seed in both])
    worse = "not inferior by" if views.low > -margin else "not shown to be within"
    slower = "at most" if share.high <= most else "not shown to be at most"
    return (
        f"- {name} (n {len(both)}): {views.mean:+.2f} points over the views, 95 % interval {views.low:+.2f} to "
        f"{views.high:+.2f}: {worse} {margin:g} points; in {share.mean:.2f} of its time, views included "
        f"({share.low:.2f} to {share.high:.2f}): {slower} {most:g}."
    )


def _seconds(row: dict[str, Any]) -> float:
    return float(row["seconds"] + row["tta_seconds"])


def _cell(found: Estimate) -> str:
    return f"{found.mean:.2f}" if found.n == 1 else f"{found.mean:.2f}, sd {found.sd:.2f}"


def kept_rows(path: Path, machine: dict[str, Any], fingerprint: Callable[[str], str]) -> list[dict[str, Any]]:
    """The runs that were made before. Raises ValueError where they cannot stand beside new ones.

    machine: what `provenance` says of this one. fingerprint: of the images of a name.
    """
    rows = read(path)
    for row in rows:
        if "recipe" in row and row["recipe"] != named_recipe(row["contender"].removesuffix(COMPILED)).to_dict():
            raise ValueError(f"{path} has runs of another {row['contender']}; move it away")
        if row["fingerprint"] != fingerprint(row["recipe"]["dataset"] if "recipe" in row else "cifar10"):
            raise ValueError(f"{path} has runs of {row['contender']} on other images; move it away")
        for key in ("device", "threads"):
            if row[key] != machine[key]:
                raise ValueError(f"{path} has runs with another {key}, {row[key]}, not {machine[key]}; move it away")
        if row["versions"]["torch"] != machine["versions"]["torch"]:
            raise ValueError(f"{path} has runs with torch {row['versions']['torch']}; move it away")
    return rows


def in_turn(contenders: list[str], runs: int) -> Iterator[tuple[str, int]]:
    """Each contender with seed 1, then with seed 2, and so on, the order turned by one place each time."""
    for seed in range(1, runs + 1):
        turn = seed % len(contenders)
        yield from ((contender, seed) for contender in contenders[turn:] + contenders[:turn])


def options_of() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="airbench94_muon.py of a checkout; without it only ours run")
    parser.add_argument("--kept", action="store_true")
    parser.add_argument("--recipes", nargs="+")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--data-dir")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder to write to and go on from")
    parser.add_argument("--serve", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--one", nargs=2, metavar=("RECIPE", "SEED"), help="a single run of ours, as JSON")
    return parser, parser.parse_args()


def main() -> None:
    parser, options = options_of()
    if options.one:
        name, seed = options.one
        found = ours(name, int(seed), options.device, options.data_dir)
        print(json.dumps({**found, **_of_images(found["dataset"])}))
        return
    if options.serve:
        serve(options.serve, options)
        return
    kind = resolve_device(options.device).type
    if options.kept and (kind != "cpu" or not options.peer):
        parser.error("--kept: it is for the peer on a CPU")
    options.peers = {**PEERS, **(KEPT if options.kept else {})} if options.peer else {}
    recipes = options.recipes or (["speedrun94-cpu"] if kind == "cpu" else ["speedrun94", f"speedrun94{COMPILED}"])
    for recipe in recipes:
        if kind == "cpu" and recipe.endswith(COMPILED):
            parser.error(f"--recipes: {recipe}: on a CPU nothing is compiled")
        named_recipe(recipe.removesuffix(COMPILED))  # before anything is run
    contenders = [*options.peers, *recipes]
    path = options.results / f"speedrun-{kind}.jsonl"
    try:
        rows = kept_rows(
            path,
            provenance(resolve_device(options.device)),
            lambda name: _images(name, options.data_dir).fingerprint,
        )
    except ValueError as error:
        parser.error(str(error))
    there = {(row["contender"], row["seed"]) for row in rows}
    left = [one for one in in_turn(contenders, options.runs) if one not in there]
    options.worker = None
    if kind == "cuda" and left:
        warm_up(list(dict.fromkeys(contender for contender, _ in left)), options)
    for contender, seed in left:
        row = one(contender, seed, options)
        rows.append(row)
        append(path, row)
        print(f"{contender}, seed {seed}: {row['tta_accuracy']:.4f} in {_seconds(row):.1f} s", flush=True)
        path.with_suffix(".md").write_text(report(rows, contenders[0], kind))
    if options.worker:
        options.worker.end()
    text = report(rows, contenders[0], kind)
    path.with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
