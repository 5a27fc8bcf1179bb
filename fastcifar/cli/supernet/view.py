"""What a supernet shows: its table of epochs, the progress of a ranking, its networks."""

import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fastcifar.cli.banner import notices
from fastcifar.cli.found import best_text, where_text
from fastcifar.cli.table import table
from fastcifar.experiment.objectives.training.cost import Cost
from fastcifar.experiment.spec import Spec
from fastcifar.names import counted, duration
from fastcifar.search import Params
from fastcifar.statistics.tau import Tau
from fastcifar.supernet import Judged, Plan, Record
from fastcifar.supernet.methods import drawn
from fastcifar.supernet.predict.predictors import NEAR
from fastcifar.supernet.predict.ranking import ALL, COST_COLUMNS
from fastcifar.train import EpochRow, Hooks, Recipe, format_header, format_row

TOP = 20  # networks of a ranking that are printed


class TrainView:
    """Prints a supernet's training as it goes; with `quiet` nothing but progress. to: where the table goes."""

    def __init__(self, quiet: bool = False, on_stderr: bool = False) -> None:
        self.quiet, self.to = quiet, sys.stderr if on_stderr else sys.stdout
        self.progress = sys.stderr.isatty()
        self.record: Record | None = None

    def start(self, record: Record) -> None:
        """Say what is trained."""
        self.record = record
        if self.quiet:
            return
        told = notices(record.dataset) if self.to is sys.stdout else []  # a search says it with its results
        for line in (banner(record), *told, format_header(), *map(format_row, record.epochs)):
            print(line, file=self.to)
        self.to.flush()

    def hooks(self) -> Hooks:
        return Hooks(on_epoch=self._epoch, progress=self._step)

    def interrupted(self) -> None:
        """Say how to go on."""
        clear(self.progress)
        if how := self.how_to_go_on():
            print(how, file=sys.stderr)

    def how_to_go_on(self) -> str:
        """A line for the user; '' where nothing is kept."""
        path = self.record.path if self.record else None
        return f"the epochs so far are in {path}; go on with --resume {path}" if path else ""

    def end(self, record: Record) -> None:
        """Say what has become of it."""
        clear(self.progress)
        if record.message:
            print(f"fastcifar: {record.message}", file=sys.stderr)
        if record.path:
            print(f"supernet: {record.path}", file=sys.stderr)

    def _epoch(self, row: EpochRow) -> None:
        if not self.quiet:
            clear(self.progress)
            print(format_row(row), file=self.to, flush=True)

    def _step(self, epoch: int, step: int) -> None:
        if self.progress and self.record:
            recipe = self.record.plan.recipe
            steps = self.record.dataset["train_images"] // recipe.batch_size
            line = f"epoch {epoch + 1}/{recipe.total_epoch}, step {step + 1}/{steps}"
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


class Counter:
    """A line on a terminal that counts."""

    def __init__(self, what: str) -> None:
        self.what, self.shown = what, sys.stderr.isatty()

    def __call__(self, done: int) -> None:
        if self.shown:
            print(f"\r\x1b[K{self.what}: {done}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        clear(self.shown)


def clear(shown: bool) -> None:
    """Take a progress line away."""
    if shown:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def banner(record: Record) -> str:
    """What is trained, on which images, where."""
    plan, data = record.plan, record.dataset
    points = plan.choices.space.size()
    size = sum(1 for _ in plan.choices.points()) if points <= ALL else points
    device = record.provenance["device"]
    if record.settings["device"] == "cpu":
        device += f", {counted(record.threads, 'thread')}"
    rates = "" if plan.rates == "equal" else f", rates {plan.rates}"
    vary = f", only {', '.join(plan.vary)} varied" if plan.vary else ""
    return (
        f"{counted(int(size), 'network')} in one, {plan.method}{rates}{vary}; {data['name']}: train "
        f"{data['train_images']:,} images, valid = the full network on a part of the holdout; seed {plan.seed}; "
        f"{record.precision} on {device}"
    )


def networks_text(found: pd.DataFrame, keys: Sequence[str], value: str = "loss", top: int = TOP) -> str:
    """The first networks of a table: what they cost, how good they are held to be, what they are made of."""
    names = {"flops": "MFLOPs", "parameters": "parameters", "seconds": "seconds alone"}
    rows = []
    for row in found.head(top).to_dict("records"):  # the rows of pandas would make all numbers floats
        costs = [f"{row['flops'] / 1e6:,.1f}", f"{row['parameters']:,.0f}", f"{row['seconds']:,.0f}"]
        if value == "loss":
            shown = [f"{row['loss']:.4f}", f"{100 * row['accuracy']:.2f}"]
        else:
            shown = [f"{100 * row['predicted']:.2f}", f"{100 * row['low']:.2f} to {100 * row['high']:.2f}"]
        rows.append([*shown, *costs, " ".join(f"{key}={row[key]}" for key in keys)])
    heads = ["loss", "accuracy %"] if value == "loss" else ["predicted %", "95 % interval"]
    return table([*heads, *(names[cost] for cost in COST_COLUMNS), "network"], rows)


def estimate(spec: Spec, plan: Plan, points: Sequence[Params], cost: Cost) -> str:
    """What a search trains, and how long all of it takes where it chooses the largest of some networks, `points`."""
    whole = Recipe.from_dict(spec.recipe or {})
    recipes = [whole.with_params(one) for one in points]
    each = statistics.mean(cost.trial_seconds(one.with_params(spec.short)) for one in recipes)
    most, own = max(map(cost.trial_seconds, recipes)), cost.trial_seconds(whole)
    some = [drawn(plan.choices, plan.method, plan.seed, step) for step in range(8)]
    shared = statistics.mean(sum(cost.seconds(one) for one in step) for step in some) / spec.concurrency
    best, seeds = spec.confirm
    total = shared + ((spec.trials or 0) * each + best * seeds * most + seeds * own) / spec.concurrency
    short = "; ".join(f"{key} {value:,}" for key, value in spec.short.items())
    return "\n".join(
        [
            f"the supernet: about {duration(shared)}" + (f", shortened ({short})" if short else ""),
            f"{counted(spec.trials or 0, 'training')} alone of about {duration(each)}, as short",
            f"confirmation at full budget: {counted(best * seeds, 'training')} of about {duration(most)} for the "
            f"largest network, {seeds} of the recipe as it is of about {duration(own)}",
            f"{spec.concurrency} at a time: about {duration(total)} in all; --max-flops, --confirm shorten it",
        ]
    )


def print_foretold(judged: Judged, front: pd.DataFrame, keys: Sequence[str]) -> None:
    """The table of predictors, whether the supernet adds anything, and the Pareto front of what is predicted."""
    print(
        f"Kendall's tau with {judged.trainings} trainings by themselves, a regression foretelling each from the others;"
    )
    print("95 % intervals over networks (bootstrap; of what is added a jackknife that fits anew);")
    print(f"near: pairs within {NEAR:.0%} of each other's FLOPs")
    rows = [[one.name, _interval(one.overall), _interval(one.near)] for one in judged.predictors]
    rows.append(["what the supernet adds", _interval(judged.gain, "+"), _interval(judged.gain_near, "+")])
    near = f"tau of {counted(judged.gain_near.pairs, 'near pair')}"
    print(table(["predictor", f"tau of {judged.gain.pairs} pairs", near], rows))
    said = "adds to the regression" if judged.adds else "adds nothing to the regression that these trainings can tell"
    print(f"the supernet {said}; predictions below are of the {judged.better}")
    print("\nbest for its FLOPs, as predicted")
    print(networks_text(front, keys, "predicted", len(front)))
    print(flush=True)


def print_found(spec: Spec, document: dict[str, Any], folder: Path, dataset: Mapping[str, Any]) -> None:
    """The best network beside the recipe's own, the verdict, and where everything lies. dataset: of a record."""
    kept = spec.to_dict()
    for line in (best_text(kept, document), *notices(dataset)):
        print(line)
    best, drawing, networks = (folder / name for name in ("best.json", "network.dot", "networks.csv"))
    print(f"{where_text(kept, document, best)}; drawing: {drawing}; networks: {networks}")


def _interval(one: Tau, sign: str = "") -> str:
    if math.isnan(one.value):
        return "-"
    return f"{one.value:{sign}.3f} [{one.low:{sign}.3f}, {one.high:{sign}.3f}]"
