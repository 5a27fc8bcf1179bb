"""The output of many runs: a banner, a row for each run, a progress line on stderr."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from fastcifar.cli.banner import notices, warnings
from fastcifar.cli.training.show import RunView
from fastcifar.names import counted, duration
from fastcifar.train import Hooks, Result
from fastcifar.train.comparing.many import PARTS, has_finished, seconds

WIDTH = 12
ALIKE = 1.2  # recipes whose times differ by less than this factor share one estimate


class RunsView:
    """Prints runs as they end; with `quiet` only progress.

    turns: the recipe of each run to come, "A" or "B"; or "" for all, if there is one recipe.
    banner: makes the text above the first run from its record. views: whether a recipe is evaluated over views, too.
    results: of all runs that have begun, by recipe.
    """

    def __init__(self, turns: Sequence[str], banner: Callable[[Result], str], views: bool, quiet: bool) -> None:
        self.turns, self.banner, self.views, self.quiet = turns, banner, views, quiet
        self.results: dict[str, list[Result]] = {which: [] for which in dict.fromkeys(turns)}
        self.begun = 0
        self.ended = 0
        self.walls: dict[str, float] = {}  # seconds of the last run of each recipe, or an estimate
        self.run = RunView(quiet=True)

    def hooks(self) -> Hooks:
        """The hooks of the next run."""
        which, later = self.turns[self.begun], self.turns[self.begun + 1 :]
        first = not any(self.results.values())
        self.begun += 1
        self.run = RunView(
            quiet=True,
            label=f"run {self.begun}/{len(self.turns)}, ",
            later=[self.walls.get(other) for other in later],
        )
        hooks = self.run.hooks()

        def on_start(result: Result, epochs_done: int) -> None:
            self.results[which].append(result)
            if first and not self.quiet:
                self._head(result)
            hooks.on_start(result, epochs_done)

        return replace(hooks, on_start=on_start)

    def expect(self, estimate: Mapping[str, Sequence[float]]) -> None:
        """Print the estimated time of the runs to come. estimate: seconds of each, by recipe."""
        self.walls = {which: max(seconds) for which, seconds in estimate.items()}
        print(estimate_line(estimate), file=sys.stderr, flush=True)

    def ran(self, result: Result) -> None:
        """Print the row of the run that has ended, now or in an earlier session."""
        self.run.clear()
        which = self.turns[self.ended]
        self.ended += 1
        if self.begun < self.ended:  # it was on disk
            self.begun += 1
            if not any(self.results.values()) and not self.quiet:
                self._head(result)
            self.results[which].append(result)
        self.walls[which] = result.times.wall
        if self.quiet:
            return
        accuracy = percent(result.valid_acc) if has_finished(result) else result.status
        cells = [str(self.ended), *([which] if which else []), str(result.seed), accuracy]
        if self.views:
            cells.append(percent(result.tta_acc))
        times = seconds(result)
        cells += [f"{times[part]:.4f}" for part in self.parts()]
        print(_line(cells) + f"  {result.id}", flush=True)

    def parts(self) -> list[str]:
        """The names of the times that are shown."""
        return [part for part in PARTS if part != "tta" or self.views]

    def ended_early(self) -> bool:
        """Clear the progress line; return whether any run has begun, so that there is something to summarise."""
        self.run.clear()
        return any(self.results.values())

    def end(self, lines: Sequence[str]) -> None:
        """Print the summary of the runs."""
        print()
        first = next(results[0] for results in self.results.values() if results)
        for line in (*lines, *notices(first.dataset)):
            print(line)

    def _head(self, result: Result) -> None:
        print(self.banner(result))
        for line in warnings(result.dataset):
            print(line)
        accuracies = ["valid acc %", "tta acc %"] if self.views else ["valid acc %"]
        names = ["run", *(["recipe"] if self.turns[0] else []), "seed", *accuracies, *self.parts()]
        print(_line(names) + "  record")
        sys.stdout.flush()


def percent(share: float | None) -> str:
    """An accuracy as in the rows; '-' for none."""
    return "-" if share is None else f"{100 * share:.2f}"


def estimate_line(estimate: Mapping[str, Sequence[float]]) -> str:
    """`about 6 min: 10 runs of about 35 s`; recipes with different times are listed separately."""
    total = sum(map(sum, estimate.values()))
    each = [max(seconds) for seconds in estimate.values()]
    if max(each) <= ALIKE * min(each):
        told = [f"{counted(sum(map(len, estimate.values())), 'run')} of about {duration(max(each))}"]
    else:
        told = [
            f"{counted(len(seconds), 'run')} of {which} of about {duration(max(seconds))}"
            for which, seconds in estimate.items()
        ]
    return f"about {duration(total)}: {', '.join(told)}"


def _line(cells: Sequence[str]) -> str:
    return " ".join(f"{cell:>{WIDTH}}" for cell in cells)
