"""The output of a run: banner and table on stdout, a progress line on stderr."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from fastcifar.cli.banner import banner, notices, warnings
from fastcifar.train import EpochRow, Hooks, Result, format_closing, format_header, format_row


class RunView:
    """Prints a run as it goes; with `quiet` only progress.

    label: the beginning of the progress line. later: seconds of the runs to come, None if unknown; such a run is
    assumed to take as long as this one.
    """

    def __init__(self, quiet: bool = False, label: str = "", later: Sequence[float | None] = ()) -> None:
        self.quiet, self.label, self.later = quiet, label, later
        self.changed: Mapping[str, Any] | None = None  # fields of the recipe that were set, where the caller knows
        self.progress = sys.stderr.isatty()
        self.result: Result | None = None
        self.began = 0.0
        self.steps_here: int | None = None

    def hooks(self) -> Hooks:
        """The hooks for `train` and `resume`."""
        return Hooks(on_start=self._start, on_epoch=self._epoch, progress=self._step)

    def end(self, result: Result) -> None:
        """Print the lines after the table."""
        self.clear()
        if self.quiet:
            return
        if result.epochs:
            print(format_closing(result.epochs))
        if result.tta_acc is not None:
            views = f"valid acc over the views (tta={result.recipe.tta})"
            print(f"{views}: {100 * result.tta_acc:.2f} %, {result.times.tta:.4f} seconds")
        if result.flops_per_second and result.product_rate:
            rate, share = result.flops_per_second / 1e12, result.flops_per_second / result.product_rate
            print(f"trained {result.flops / 1e15:.3g} PFLOP at {rate:.3g} TFLOP/s, {share:.0%} of a matrix product's")
        for line in notices(result.dataset):
            print(line)
        if result.valid_acc is not None and result.status in ("finished", "stopped"):
            print(accuracy_line(result))
        if result.path:
            print(f"record: {result.path}", file=sys.stderr)

    def interrupted(self) -> None:
        """Print how to resume."""
        self.clear()
        if how := self.how_to_go_on():
            print(how, file=sys.stderr)

    def how_to_go_on(self) -> str:
        """A line for the user; '' if nothing is kept."""
        if self.result is None or self.result.path is None:
            return ""
        if self.result.epochs:
            return f"the epochs so far are in {self.result.path}; go on with --resume {self.result.path}"
        return "interrupted before the first epoch's end; start again with the same command"

    def clear(self) -> None:
        """Remove the progress line."""
        if self.progress:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _start(self, result: Result, epochs_done: int) -> None:
        self.result = result
        if not self.quiet:
            print(banner(result, changed=self.changed))
            for line in warnings(result.dataset):
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


def accuracy_line(result: Result) -> str:
    """`accuracy: 84.25 % on test (10,000 images)`; with views, over the views and without."""
    assert result.valid_acc is not None
    where = f"on {result.split} ({result.dataset['valid_images']:,} images)"
    if result.tta_acc is None:
        text = f"accuracy: {100 * result.valid_acc:.2f} % {where}"
    else:
        text = f"accuracy: {100 * result.tta_acc:.2f} % over the views, {100 * result.valid_acc:.2f} % without, {where}"
    return text if result.test_acc is None else f"{text}; {100 * result.test_acc:.2f} % on test"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}" if minutes >= 60 else f"{minutes}:{seconds:02d}"
