"""An engine under test, with what is known of its trials; what holds of any event is asked for here."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastcifar.experiment.engines.base import Ended, Engine, Event, Report, Trial
from fastcifar.testing.contract import BrokenContract, must, no_exception

LATE = 1 / 6  # of the patience, by which a call may be late
GONE = 3.0  # seconds in which a process that was ended has gone


class Observed:
    """Calls an engine and keeps what comes.

    trials: that were started, by number. reports, ends: what came of each. patience: seconds, see `check_engine`.
    """

    def __init__(self, engine: Engine, folder: Path, patience: float) -> None:
        self.engine, self.folder, self.patience, self.slack = engine, folder, patience, LATE * patience
        self.trials: dict[int, Trial] = {}
        self.reports: dict[int, list[float]] = {}
        self.ends: dict[int, Ended] = {}

    @property
    def following(self) -> int:
        """The number of the next trial."""
        return len(self.trials)

    def start(self, acts: Sequence[Any], number: int | None = None) -> int:
        """Begin a trial that does this; its number."""
        number = self.following if number is None else number
        folder = self.folder / "trials" / str(number)
        trial = Trial(number=number, experiment="check", params={"acts": list(acts)}, seed=1000 + number, folder=folder)
        self.trials[number], self.reports[number] = trial, []
        self._call("start", lambda: self.engine.start(trial))
        return number

    def go_on(self, number: int) -> None:
        self._call("go_on", lambda: self.engine.go_on(number))

    def stop(self, number: int) -> None:
        self._call("stop", lambda: self.engine.stop(number))

    def hear(self, timeout: float) -> list[Event]:
        """What has happened, after the rules of a single call of `events`."""
        began = time.monotonic()
        with no_exception("events raises nothing, whatever a trial does", f"events({timeout})"):
            events = self.engine.events(timeout)
        took = time.monotonic() - began
        must(
            took <= timeout + self.slack,
            "events waits at most its timeout",
            f"events({timeout}) takes {took:.1f} s",
        )
        for event in events:
            self._take(event)
        return events

    def until_reported(self, number: int, count: int, go_on: bool = False) -> None:
        """Wait for so many reports. go_on: let the trial go on after each."""
        self._until(lambda: len(self.reports[number]) >= count or number in self.ends, go_on, f"trial {number} reports")
        if number in self.ends:
            raise BrokenContract(
                f"a trial that runs well is not ended: trial {number}, {self.trials[number].params['acts']}, comes to "
                f"{self.ends[number]}"
            )

    def until_ended(self, *numbers: int, go_on: bool = False) -> None:
        """Wait for the ends of trials. go_on: let them go on after each report."""
        self._until(lambda: all(number in self.ends for number in numbers), go_on, f"trials {numbers} end")

    def fails(self, number: int, rule: str) -> None:
        """The trial has ended without a result."""
        end = self.ends[number]
        must(end.value is None, rule, f"trial {number} has the result {end.value}")

    def _take(self, event: Event) -> None:
        number = event.number
        known = number in self.trials
        must(known, "an event is of a trial that was started", f"{event}, and only {list(self.trials)} were")
        must(number not in self.ends, "nothing follows the end of a trial", f"{event} follows {self.ends.get(number)}")
        if isinstance(event, Report):
            self.reports[number].append(event.value)
        else:
            self.ends[number] = event

    def _until(self, done: Callable[[], bool], go_on: bool, what: str) -> None:
        until = time.monotonic() + self.patience
        while not done():
            if time.monotonic() > until:
                raise BrokenContract(
                    f"what a trial does becomes an event: {what}, and after {self.patience:g} s there are only "
                    f"{self.reports} and {list(self.ends.values())}"
                )
            for event in self.hear(0.5):
                if go_on and isinstance(event, Report):
                    self.go_on(event.number)

    def _call(self, name: str, call: Callable[[], None]) -> None:
        began = time.monotonic()
        with no_exception(f"{name} raises nothing: what goes wrong is an event", name):
            call()
        took = time.monotonic() - began
        must(took < self.slack, f"{name} does not wait", f"it takes {took:.1f} s")


def gone(pid: int) -> bool:
    """Whether a process has ended, which may take a moment; a zombie has."""
    until = time.monotonic() + GONE
    while time.monotonic() < until:
        with suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] in "ZX":
                return True
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False
