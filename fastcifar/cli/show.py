"""What a run shows while it goes: banner and table on stdout, a progress line on stderr."""

import sys
import time

from fastcifar.train import EpochRow, Hooks, Result, format_closing, format_header, format_row


class RunView:
    """Prints a run as it goes; with `quiet` nothing but progress."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.progress = sys.stderr.isatty()
        self.result: Result | None = None
        self.began = 0.0
        self.steps_here: int | None = None

    def hooks(self) -> Hooks:
        """The hooks for `train` and `resume`."""
        return Hooks(on_start=self._start, on_epoch=self._epoch, progress=self._step)

    def end(self, result: Result) -> None:
        """Print what follows the table."""
        self._clear()
        if self.quiet:
            return
        if result.epochs:
            print(format_closing(result.epochs))
        for line in notices(result):
            print(line)
        if result.path:
            print(f"record: {result.path}", file=sys.stderr)

    def interrupted(self) -> None:
        """Say how to go on."""
        self._clear()
        if self.result and self.result.path:
            print(
                f"the epochs so far are in {self.result.path}; go on with --resume {self.result.path}", file=sys.stderr
            )

    def _start(self, result: Result, epochs_done: int) -> None:
        self.result = result
        if not self.quiet:
            print(banner(result))
            for line in notices(result):
                print(line)
            print(format_header())
            for row in result.epochs[:epochs_done]:
                print(format_row(row))
            sys.stdout.flush()
        if self.progress:
            print("getting ready ...", end="", file=sys.stderr, flush=True)

    def _epoch(self, row: EpochRow) -> None:
        if not self.quiet:
            self._clear()
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
        left = elapsed / self.steps_here * ((recipe.total_epoch - epoch) * steps - step - 1)
        line = f"epoch {epoch + 1}/{recipe.total_epoch}, step {step + 1}/{steps}, "
        line += f"{self.steps_here * recipe.batch_size / elapsed:,.0f} images/s, {_clock(left)} left"
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    def _clear(self) -> None:
        if self.progress:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def banner(result: Result) -> str:
    """One line: what is trained, on which split, where."""
    data, threads = result.dataset, result.provenance["threads"]
    where = result.provenance["device"] + (f", {threads} threads" if result.settings["device"] == "cpu" else "")
    return (
        f"{result.recipe_name} on {data['name']}: train {data['train_images']:,} images, "
        f"valid = {result.split}, {data['valid_images']:,} images; seed {result.seed}; {result.precision} on {where}"
    )


def notices(result: Result) -> list[str]:
    """What a reader of the table has to know of its data; printed before it and after it."""
    if result.dataset["name"].startswith("synthetic"):
        return ["*** SYNTHETIC IMAGES: made up on the spot, not CIFAR; accuracies say nothing about CIFAR ***"]
    if not result.dataset["canonical"]:
        return [f"canonical: false (these are not the published {result.dataset['name']} files)"]
    return []


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}" if minutes >= 60 else f"{minutes}:{seconds:02d}"
