"""The output of a search: on stderr a live table (on a terminal) or one line per trial; on stdout the summary."""

import statistics
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from fastcifar.cli.found import found_text, result_text, where_text
from fastcifar.experiment.loop import Driver
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.store import FINISHED, RUNNING, STOPPED, TrialRow
from fastcifar.names import counted, duration

if TYPE_CHECKING:
    from fastcifar.experiment.objectives.training.cost import Cost
    from fastcifar.train import Recipe


class SearchView:
    """Shows a driver's trials as they go. quiet: no summary on stdout."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.console = Console(stderr=True)
        self.live: Live | None = None
        self.open: set[int] = set()  # trials that were not told to have ended
        self.known = 0  # trials with lower numbers are told, or open
        self.done = 0  # trials that were there, where all had ended
        self.stopping = False
        self.drawn = 0.0  # when the table was
        self.spec: Spec | None = None

    def begin(self, spec: Spec, driver: Driver) -> None:
        """Print the search and its folder."""
        self.spec, driver.say = spec, self._say
        self.known = len(driver.rows)
        self.open = {row.number for row in driver.rows.values() if row.state == RUNNING}
        self.done = 0 if self.open else self.known
        before = ", " + counted(self.known, "trial is there", "trials are there") if self.known else ""
        print(f"experiment: {driver.store.folder}{before}; Ctrl-C ends it after the running trials", file=sys.stderr)
        if spec.recipe is not None and spec.device in ("auto", "cpu"):
            from fastcifar.train import resolve_device  # brings torch
            from fastcifar.train.step.ways import resolve_step

            resolve_step("auto", resolve_device(spec.device))  # a Notice in a worker would go to its log
        self.show()

    def show(self) -> None:
        """Begin the live table, on a terminal; also again after `close`."""
        if self.console.is_terminal:
            self.live = Live(console=self.console, refresh_per_second=4, transient=True)
            self.live.start()

    def watch(self, driver: Driver) -> None:
        """Print the trials that have ended, and update the table."""
        if self.spec is None:
            return
        self.open.update(range(self.known, len(driver.rows)))
        self.known = len(driver.rows)
        for row in [driver.rows[number] for number in sorted(self.open)]:
            if row.state != RUNNING:
                self.open.discard(row.number)
                self._say(_line(row, self.spec, driver))
        if driver.stopping and driver.running and not self.stopping:
            self.stopping = True
            self._say(
                f"{driver.ended}: waiting for {counted(len(driver.running), 'running trial')}; "
                "Ctrl-C again ends what runs at once"
            )
        if self.live and time.monotonic() - self.drawn > 0.25:
            self.drawn = time.monotonic()
            self.live.update(_table(self.spec, driver))

    def searched(self, driver: Driver) -> None:
        """Print why the search has ended, and what follows."""
        assert self.spec is not None
        points, seeds = self.spec.confirm
        text = f"the search is over: {driver.ended}" if driver.ended else "the search is over"
        confirmed = any(row.kind == "confirm" for row in driver.rows.values())  # by an earlier session
        if points and seeds and not driver.stopping and not confirmed:
            text += f"; the best {'one is' if points == 1 else f'{points} are'} run again on {_seeds(seeds)}"
        self._say(text)
        if self.done and len(driver.rows) == self.done and not driver.stopping:
            self._say(_for_more(driver))

    def close(self) -> None:
        """Remove the live table."""
        if self.live:
            self.live.stop()
            self.live = None

    def end(self, spec: Spec, driver: Driver, document: dict[str, Any]) -> None:
        """Print the summary, `document`."""
        if driver.stopping:
            print(f"go on with: fastcifar search --resume {driver.store.folder}", file=sys.stderr)
        if self.quiet:
            return
        kept = spec.to_dict()
        print(found_text(kept, document))
        if document["best"] is None:
            return
        if any(row.metrics.get("canonical") is False for row in driver.rows.values()):
            print("the images are not the canonical ones: canonical: false")
        print(where_text(kept, document, driver.store.folder / "best.json"))

    def _say(self, text: str) -> None:
        if self.live:
            self.console.print(text, highlight=False, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)


def estimate(spec: Spec, recipe: "Recipe", samples: "Sequence[Recipe]", cost: "Cost") -> str:
    """The number of trials, the time of one, and the total time."""
    each = statistics.mean(cost.trial_seconds(one.with_params(spec.short)) for one in samples)
    full = statistics.mean(cost.trial_seconds(one) for one in samples)
    start = cost.seconds_to_start if spec.concurrency > 1 else 0.0  # the first worker has started
    points, seeds = spec.confirm
    repeats = (points + 1) * seeds if points and seeds else 0
    short = "; ".join(f"{key} {value:,}" for key, value in spec.short.items())
    lines = [f"a trial: about {duration(each)}" + (f", shortened ({short})" if short else "")]
    after = repeats * full / spec.concurrency
    if repeats:
        lines.append(f"confirmation: {counted(repeats, 'training')} at full budget of about {duration(full)}")
    if spec.trials is not None:
        total = start + spec.trials * each / spec.concurrency + after
        lines.append(f"{counted(spec.trials, 'trial')}, {spec.concurrency} at a time: about {duration(total)} in all")
    elif spec.seconds is not None:
        count = counted(round(max(0.0, spec.seconds - start) * spec.concurrency / each), "trial")
        lines.append(f"about {count}, {duration(spec.seconds + after)} in all")
    return "\n".join(lines)


def _line(row: TrialRow, spec: Spec, driver: Driver) -> str:
    value = "" if row.value is None else f" {result_text(row.value, spec.to_dict())}"
    why = f": {row.message}" if row.message else ""
    kind = "" if row.kind == "search" else f" ({row.kind})"
    return f"trial {row.number}{kind} {row.state}{value}, {duration(row.seconds or 0)}{why}  {_params(row.params)}"


def _table(spec: Spec, driver: Driver) -> Table:
    rows = list(driver.rows.values())
    ended = [row for row in rows if row.kind == "search" and row.value is not None]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("best trial so far", "running", "finished", "stopped", "failed", "time", "left"):
        table.add_column(name)
    values = [row.value for row in ended if row.value is not None]
    best = "" if not values else result_text((max if spec.maximize else min)(values), spec.to_dict())
    counts = [sum(row.state == state for row in rows) for state in (FINISHED, STOPPED, "failed")]
    table.add_row(
        best, str(len(driver.running)), *map(str, counts), duration(driver.seconds), _left(spec, driver, ended)
    )
    return table


def _left(spec: Spec, driver: Driver, ended: Sequence[TrialRow]) -> str:
    """An estimate of the search's remaining time."""
    if driver.plan.limits.seconds is not None:
        return duration(max(0.0, driver.plan.limits.seconds - driver.seconds))
    if driver.plan.limits.trials is None or not ended:
        return "?"
    each = statistics.mean(row.seconds or 0.0 for row in ended)
    return duration(each * max(0, driver.plan.limits.trials - len(driver.history)) / driver.plan.concurrency)


def _for_more(driver: Driver) -> str:
    """How to extend an experiment that had ended before it was resumed."""
    limits = driver.plan.limits
    if limits.trials is not None and len(driver.history) >= limits.trials:
        more = "--trials N"
    elif limits.seconds is not None:
        more = "--duration TIME"
    else:
        return "there is nothing left to do"
    return f"for more, before a resume: fastcifar experiment update {driver.store.folder} {more}"


def _seeds(count: int) -> str:
    return counted(count, "fresh seed")


def _params(params: dict[str, object]) -> str:
    return " ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in params.items()
    )
