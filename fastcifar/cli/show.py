"""What a run shows while it goes: banner and table on stdout, a progress line on stderr."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from fastcifar.names import counted
from fastcifar.train import EpochRow, Hooks, Result, format_closing, format_header, format_row


class RunView:
    """Prints a run as it goes; with `quiet` nothing but progress.

    label: what the progress line begins with. later: seconds of the runs to come, None where it is not known; those
    are taken to be as long as this one.
    """

    def __init__(self, quiet: bool = False, label: str = "", later: Sequence[float | None] = ()) -> None:
        self.quiet, self.label, self.later = quiet, label, later
        self.progress = sys.stderr.isatty()
        self.result: Result | None = None
        self.began = 0.0
        self.steps_here: int | None = None

    def hooks(self) -> Hooks:
        """The hooks for `train` and `resume`."""
        return Hooks(on_start=self._start, on_epoch=self._epoch, progress=self._step)

    def end(self, result: Result) -> None:
        """Print what follows the table."""
        self.clear()
        if self.quiet:
            return
        if result.epochs:
            print(format_closing(result.epochs))
        if result.tta_acc is not None:
            views = f"valid acc over the views (tta={result.recipe.tta})"
            print(f"{views}: {result.tta_acc:.4f}, {result.times.tta:.4f} seconds")
        if result.flops_per_second and result.product_rate:
            rate, share = result.flops_per_second / 1e12, result.flops_per_second / result.product_rate
            print(f"trained {result.flops / 1e15:.3g} PFLOP at {rate:.3g} TFLOP/s, {share:.0%} of a matrix product's")
        for line in notices(result.dataset):
            print(line)
        if result.path:
            print(f"record: {result.path}", file=sys.stderr)

    def interrupted(self) -> None:
        """Say how to go on."""
        self.clear()
        if self.result and self.result.path:
            print(
                f"the epochs so far are in {self.result.path}; go on with --resume {self.result.path}", file=sys.stderr
            )

    def clear(self) -> None:
        """Take the progress line away."""
        if self.progress:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _start(self, result: Result, epochs_done: int) -> None:
        self.result = result
        if not self.quiet:
            print(banner(result))
            for line in notices(result.dataset):
                print(line)
            print(format_header())
            for row in result.epochs[:epochs_done]:
                print(format_row(row))
            sys.stdout.flush()
        if self.progress:
            print("getting ready ...", end="", file=sys.stderr, flush=True)

    def _epoch(self, row: EpochRow) -> None:
        if not self.quiet:
            self.clear()
            print(format_row(row), flush=True)

    def _step(self, epoch: int, step: int) -> None:
        assert self.result is not None
        if self.steps_here is None:  # the clock starts after the first step, which takes longer than those to come
            self.steps_here, self.began = 0, time.perf_counter()
            return
        self.steps_here += 1
        if not self.progress:
            return
        recipe, images = self.result.recipe, self.result.dataset["train_images"]
        steps = images // recipe.batch_size
        elapsed = time.perf_counter() - self.began
        step_seconds = elapsed / self.steps_here
        left = step_seconds * ((recipe.total_epoch - epoch) * steps - step - 1)
        left += sum(step_seconds * recipe.total_epoch * steps if wall is None else wall for wall in self.later)
        line = f"{self.label}epoch {epoch + 1}/{recipe.total_epoch}, step {step + 1}/{steps}, "
        line += f"{self.steps_here * recipe.batch_size / elapsed:,.0f} images/s, {_clock(left)} left"
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def banner(result: Result, seeds: str | None = None) -> str:
    """One line: what is trained, on which split, where."""
    seeds = seeds or f"seed {result.seed}"
    return f"{result.recipe_name} on {images(result)}; {seeds}; {result.precision} on {machine(result)}"


def images(result: Result) -> str:
    """What is trained and validated on."""
    data = result.dataset
    valid = f"valid = {result.split}, {data['valid_images']:,} images"
    return f"{data['name']}: train {data['train_images']:,} images, {valid}"


def machine(result: Result) -> str:
    """The model of the device; of a CPU the threads, too."""
    threads = f", {counted(result.threads, 'thread')}" if result.settings["device"] == "cpu" else ""
    return f"{result.provenance['device']}{threads}"


def notices(dataset: Mapping[str, Any]) -> list[str]:
    """What a reader of the table has to know of its data; printed before it and after it. dataset: of a record."""
    if dataset["name"].startswith("synthetic"):
        return ["*** SYNTHETIC IMAGES: made up on the spot, not CIFAR; accuracies say nothing about CIFAR ***"]
    if not dataset["canonical"]:
        return [f"canonical: false (these are not the published {dataset['name']} files)"]
    return []


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}" if minutes >= 60 else f"{minutes}:{seconds:02d}"
