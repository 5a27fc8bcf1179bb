"""The loop of an experiment: ask for a trial, run it, keep what comes, until a limit is reached."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any

from threadpoolctl import ThreadpoolController

from fastcifar.names import counted
from fastcifar.search import history as states
from fastcifar.search.assess import Assessor
from fastcifar.search.experiment.engine import Ended, Engine, Report, Trial, result_of
from fastcifar.search.experiment.requests import Requests
from fastcifar.search.experiment.store import FAILED, FINISHED, RUNNING, STOPPED, Store, TrialRow
from fastcifar.search.history import History
from fastcifar.search.searcher import Searcher, SpaceExhausted, trial_rng
from fastcifar.search.space import Params, Space

TICK = 0.5  # seconds between two looks at requests and limits, where nothing happens
UPDATES = ("trials", "seconds", "concurrency")  # of a spec, that can change while it runs
STATES = {FINISHED: states.FINISHED, STOPPED: states.STOPPED, FAILED: states.FAILED}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a search ends: trials that were started, seconds that it has run. None is no limit."""

    trials: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a search is made of. seed: decides the suggestions and the trials' own seeds."""

    space: Space
    searcher: Searcher
    assessor: Assessor | None = None
    maximize: bool = True
    metric: str = "default"  # of a result; `default` is the result itself
    max_seconds: float | None = None  # of training; a trial of the search that takes longer has failed
    seed: int = 0
    concurrency: int = 1
    limits: Limits = Limits()
    budget: str | None = None  # the parameter that Hyperband gives trials besides
    short: Params = field(default_factory=dict)  # beneath the parameters of trials of the search; not confirmed with


Next = Callable[[], tuple[str, Params, int] | None]  # kind, parameters and seed of the next trial


class StoppedNow(KeyboardInterrupt):
    """Another process has asked to stop at once: what Ctrl-C twice does."""


class Driver:
    """Runs the trials of one experiment; the store knows of each before the engine, and of its end before anyone.

    rows: all trials by number. history: those of the search, as the searcher sees them.
    watch: called after whatever happens. say: where a warning goes. stopping: no new trial is begun.
    """

    def __init__(self, store: Store, plan: Plan, engine: Engine, watch: Callable[["Driver"], None]) -> None:
        self.store, self.plan, self.engine, self.watch = store, plan, engine, watch
        self.history = History(plan.space, plan.maximize, plan.budget)
        self.rows: dict[int, TrialRow] = {}
        self.curves: dict[int, list[float]] = {}
        self.places: dict[int, int] = {}  # number of a trial -> its number in the history
        self.again: list[TrialRow] = []  # running when an earlier driver ended
        self.running: set[int] = set()
        self.say: Callable[[str], None] = _warn
        self.silent = False  # whether a trial has come to its end without a report
        self.stopping = False
        self.ended = ""  # why no new trial is begun
        self.told: set[int] = set()  # to stop
        self.killed: set[int] = set()  # by the user
        self.requests = Requests(store.folder)
        self.blas = ThreadpoolController()
        self.seconds_before = float(store.meta().get("seconds", 0.0))
        self.began = self.noted = time.monotonic()
        self._remember()

    @property
    def seconds(self) -> float:
        """How long the experiment has run, in all its sessions."""
        return self.seconds_before + time.monotonic() - self.began

    def search(self) -> None:
        """Run trials until a limit is reached, the space is used up, or the user stops it.

        Raises KeyboardInterrupt after a second Ctrl-C, StoppedNow where it was asked for; both leave what runs.
        """
        self._loop(self._suggested)

    def repeat(self, kind: str, points: Sequence[Params], seeds: Sequence[int]) -> list[TrialRow]:
        """Run each point with each seed, but for what an earlier session has done; return the trials."""
        wanted = [(kind, params, seed) for seed in seeds for params in points]

        def trials(kind: str, params: Params, seed: int) -> list[TrialRow]:
            mine = (row for row in self.rows.values() if row.kind == kind)
            return [row for row in mine if row.params == params and row.seed == seed]

        left = iter([one for one in wanted if not trials(*one)])
        self._loop(lambda: next(left, None))
        return [row for one in wanted for row in trials(*one)]

    def _loop(self, following: Next) -> None:
        with self._interruptible():
            while True:
                self._fill(following)
                if not self.running:
                    break
                for event in self.engine.events(TICK):
                    if event.number in self.running:
                        self._reported(event) if isinstance(event, Report) else self._ended(event)
                self._obey()
                self._note_time()
                self.watch(self)
        self.store.set({"seconds": self.seconds})
        self.watch(self)

    def _note_time(self) -> None:
        """Keep the time now and then, as there may be no end to do it at."""
        if time.monotonic() - self.noted >= 1:
            self.noted = time.monotonic()
            self.store.set({"seconds": self.seconds})

    def _fill(self, following: Next) -> None:
        while len(self.running) < self.plan.concurrency and not self.stopping:
            if self.again:
                row = self.again.pop(0)
                row.started = time.time()
                self.store.restart(row.number, row.started)
                if row.number in self.places:
                    self.history.forget_reports(self.places[row.number])
            else:
                wanted = following()
                if wanted is None:
                    return
                row = self._begun(*wanted)
            self.curves[row.number] = []
            self.running.add(row.number)
            self.engine.start(self._trial(row))
            self.watch(self)

    def _suggested(self) -> tuple[str, Params, int] | None:
        limits, number = self.plan.limits, len(self.history)
        if limits.trials is not None and number >= limits.trials:
            self.ended = counted(limits.trials, "trial was run", "trials were run")
        elif limits.seconds is not None and self.seconds >= limits.seconds:
            self.ended = f"{limits.seconds:,.0f} s have passed"
        else:
            try:
                rng = trial_rng(self.plan.seed, number)
                with self.blas.limit(limits=1):  # the cores are the trials'
                    params = self.plan.searcher.suggest(self.plan.space, self.history, rng)
                return "search", params, trial_seed(self.plan.seed, number)
            except SpaceExhausted as error:
                self.ended = str(error)
        return None

    def _begun(self, kind: str, params: Params, seed: int) -> TrialRow:
        number = next(reversed(self.rows), -1) + 1  # they are in order
        row = TrialRow(number=number, kind=kind, params=params, seed=seed, started=time.time())
        if kind == "search":  # raises what is wrong with a searcher's parameters before they are kept
            self.places[number] = self.history.start(params)
        self.store.start(row)
        self.rows[number] = row
        return row

    def _trial(self, row: TrialRow) -> Trial:
        return Trial(
            number=row.number,
            experiment=self.store.folder.name,
            params={**self.plan.short, **row.params} if row.kind == "search" else row.params,
            seed=row.seed,
            folder=self.store.folder / "trials" / str(row.number),
            confirm=row.kind != "search",
        )

    def _reported(self, event: Report) -> None:
        number = event.number
        curve = self.curves[number]
        self.store.report(number, len(curve), event.value)
        curve.append(event.value)
        place = self.places.get(number)
        if place is not None:
            self.history.report(place, event.value)
            if self.plan.assessor is not None and not self.plan.assessor.assess(self.history, place):
                self.told.add(number)
                self.engine.stop(number)
                return
        self.engine.go_on(number)

    def _ended(self, event: Ended) -> None:
        number = event.number
        row, curve = self.rows[number], self.curves[number]
        state, value, message = (FINISHED if event.value is not None else FAILED), event.value, event.message
        metrics = dict(event.metrics)
        if value is not None and self.plan.metric != "default":
            try:
                metrics["default"], (value, _) = value, result_of(metrics[self.plan.metric])
            except KeyError:
                state, value, message = (
                    FAILED,
                    None,
                    f"the result has no {self.plan.metric!r}; it has {', '.join(metrics) or 'nothing but itself'}",
                )
            except ValueError as error:
                state, value, message = FAILED, None, f"{self.plan.metric}: {error}"
        taken, most = metrics.get("train_seconds"), self.plan.max_seconds if row.kind == "search" else None
        if value is not None and most is not None and isinstance(taken, int | float) and taken > most:
            state, value, message = FAILED, None, f"training took {taken:.1f} s, more than {most:g}"
        if event.value is None and number in self.told | self.killed:
            value = next((report for report in reversed(curve) if abs(report) < float("inf")), None)
            if number in self.killed:
                value = None
            state = STOPPED if value is not None else FAILED
            message = "killed by the user" if number in self.killed else ""
            message = message or ("" if value is not None else "stopped before it had a result")
        row = replace(row, state=state, value=value, metrics=metrics, message=message, ended=time.time())
        self.store.end(row)
        self.rows[number] = row
        self.running.discard(number)
        if number in self.places:
            self.history.end(self.places[number], value, STATES[state])
            if self.plan.assessor is not None and state == FINISHED and not curve and not self.silent:
                self.silent = True
                self.say(f"trial {number} has reported nothing before its result: the assessor cannot judge it")

    def _obey(self) -> None:
        """Do what was asked for from outside."""
        for request in self.requests.new():
            if request.get("stop"):
                self.stopping, self.ended = True, "it was stopped"
                if request.get("now"):
                    raise StoppedNow
            number = request.get("kill")
            if number in self.running:
                self.killed.add(number)
                self.engine.stop(number)
            if "update" in request:
                changes = {key: value for key, value in request["update"].items() if key in UPDATES}
                self.plan = updated(self.plan, changes)
                self.store.set({"spec": {**self.store.meta().get("spec", {}), **changes}})  # for who resumes it

    def _remember(self) -> None:
        """Take up what the store has."""
        curves = self.store.reports()
        for row in self.store.trials():
            self.rows[row.number] = row
            self.curves[row.number] = curves.get(row.number, [])
            if row.kind == "search":
                place = self.places[row.number] = self.history.start(row.params)
                for value in self.curves[row.number]:
                    self.history.report(place, value)
                if row.state != RUNNING:
                    self.history.end(place, row.value, STATES[row.state])
            if row.state == RUNNING:
                self.again.append(row)

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C once: finish what runs. Twice: KeyboardInterrupt, at once."""

        def interrupt(signum: int, frame: FrameType | None) -> None:
            if self.stopping:
                raise KeyboardInterrupt
            self.stopping, self.ended = True, "it was interrupted"  # to be told by the loop: this is amid anything

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _warn(text: str) -> None:
    print(f"fastcifar: {text}", file=sys.stderr, flush=True)


MOST_SEED = (2**63 - 1) // 1_000_000 - 1  # of a search, so that those of its trials are integers to SQLite


def trial_seed(seed: int, number: int) -> int:
    """The seed of a trial of the search; confirmations count from the other end."""
    return seed * 1_000_000 + number


def confirm_seeds(seed: int, count: int) -> list[int]:
    """Seeds that no trial of the search has."""
    return [seed * 1_000_000 + 999_999 - number for number in range(count)]


def updated(plan: Plan, changes: Mapping[str, Any]) -> Plan:
    """The plan with other limits: `trials`, `seconds`, `concurrency`."""
    limits = {key: value for key, value in changes.items() if key in ("trials", "seconds")}
    plan = replace(plan, limits=replace(plan.limits, **limits))
    return replace(plan, concurrency=changes.get("concurrency", plan.concurrency))
