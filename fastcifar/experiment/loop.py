"""The loop of an experiment: suggest a trial, run it, store its reports and result, until a limit is reached."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from threadpoolctl import ThreadpoolController

from fastcifar.errors import Failure
from fastcifar.experiment.engines.base import NO_NEEDS, Ended, Engine, Needs, Report, Trial, result_of
from fastcifar.experiment.failures import MAX_FAILURES, Failures
from fastcifar.experiment.gate import admitted, text
from fastcifar.experiment.store.requests import Requests
from fastcifar.experiment.store.store import FAILED, FINISHED, RUNNING, STOPPED, Store, TrialRow
from fastcifar.experiment.store.stored import finite
from fastcifar.experiment.tuners.custom import suggested
from fastcifar.names import counted
from fastcifar.search import history as states
from fastcifar.search.assess import Assessor
from fastcifar.search.history import History
from fastcifar.search.searcher import Searcher, SpaceExhausted, trial_rng
from fastcifar.search.spaces.space import Params, Space
from fastcifar.stopping import Stopping, stoppable

TICK = 0.5  # seconds between two checks of requests and limits, if nothing happens
STATES = {FINISHED: states.FINISHED, STOPPED: states.STOPPED, FAILED: states.FAILED}
MAX_SEED = (2**63 - 1) // 1_000_000 - 1  # of a search, so that its trials' seeds fit into SQLite's integers


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a search ends: after so many started trials, or so many seconds of running time. None is no limit."""

    trials: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The parts of a search. seed: decides the suggestions and the trials' seeds."""

    space: Space
    searcher: Searcher
    assessor: Assessor | None = None
    maximize: bool = True
    metric: str = "default"  # entry of a result; `default` is the result itself
    max_seconds: float | None = None  # of training; a trial of the search that takes longer has failed
    seed: int = 0
    concurrency: int = 1
    limits: Limits = Limits()
    budget: str | None = None  # the parameter that Hyperband adds to a trial
    short: Params = field(default_factory=dict)  # beneath the parameters of trials of the search; not confirmed with
    needs: Needs = NO_NEEDS  # of each trial
    max_failures: int = MAX_FAILURES  # in a row from the start, after which the search ends; 0 is never


Next = Callable[[], tuple[str, Params, int] | None]  # kind, parameters and seed of the next trial


class StoppedNow(KeyboardInterrupt):
    """Another process has asked to stop at once, as a second Ctrl-C does."""


class Driver:
    """Runs the trials of one experiment. A trial is stored before it starts, and its end before it is announced.

    rows: all trials by number. history: those of the search, as the searcher sees them.
    watch: called after every event. say: prints a warning. stopping: no new trial is started.
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
        self.failures = Failures()
        self.clocks: dict[int, float] = {}  # number of a trial -> `time.monotonic` at its start
        self.silent = False  # whether a trial has ended without a report
        self.signals = Stopping()
        self.interrupted = False  # by a first Ctrl-C
        self.stopping = False
        self.ended = ""  # why no new trial is begun
        self.told: set[int] = set()  # to stop
        self.killed: set[int] = set()  # by the user
        self.spoilt: dict[int, str] = {}  # number of a trial whose report cannot be judged -> why
        self.requests = Requests(store.folder)
        self.blas = ThreadpoolController()
        self.seconds_before = finite(store.meta().get("seconds")) or 0.0
        self.began = self.noted = time.monotonic()
        self._remember()

    @property
    def seconds(self) -> float:
        """Running time of the experiment, over all its sessions."""
        return self.seconds_before + time.monotonic() - self.began

    @property
    def hopeless(self) -> str:
        """Why the search is given up because every trial fails; '' if it is not."""
        return self.failures.verdict(self.plan.max_failures)

    def search(self) -> None:
        """Run trials until a limit is reached, the space is used up, or the user stops it.

        Raises KeyboardInterrupt after SIGTERM or a second Ctrl-C, StoppedNow on another process's request; both leave
        the running trials. Raises StoreError if the folder no longer exists.
        """
        self._loop(self._suggested)

    def repeat(self, kind: str, points: Sequence[Params], seeds: Sequence[int]) -> list[TrialRow]:
        """Run each point with each seed, except for trials that an earlier session has run; return all of them."""
        wanted = [(kind, params, seed) for seed in seeds for params in points]

        def trials(kind: str, params: Params, seed: int) -> list[TrialRow]:
            mine = (row for row in self.rows.values() if row.kind == kind)
            return [row for row in mine if row.params == params and row.seed == seed]

        left = iter([one for one in wanted if not trials(*one)])
        self._loop(lambda: next(left, None))
        return [row for one in wanted for row in trials(*one)]

    def _loop(self, following: Next) -> None:
        with stoppable() as self.signals, self.signals.gently():
            while True:
                self._look()
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

    def _look(self) -> None:
        """Obey signals, and check that the folder exists. A Ctrl-C while it is stopping counts as the second one."""
        asked = self.signals.asked
        if asked > 1 or (asked and self.stopping and not self.interrupted):
            self.signals.obey()
        if asked and not self.interrupted:
            self.interrupted, self.stopping, self.ended = True, True, "it was interrupted"
        self.store.check()

    def _note_time(self) -> None:
        """Store the running time regularly, because the process may be killed."""
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
            self.curves[row.number], self.clocks[row.number] = [], time.monotonic()
            self.running.add(row.number)
            self.engine.start(self._trial(row))
            self.watch(self)
            self._look()

    def _suggested(self) -> tuple[str, Params, int] | None:
        limits, number = self.plan.limits, len(self.history)
        if limits.trials is not None and number >= limits.trials:
            self.ended = counted(limits.trials, "trial was run", "trials were run")
        elif limits.seconds is not None and self.seconds >= limits.seconds:
            self.ended = f"{limits.seconds:,.0f} s have passed"
        elif self.hopeless:
            self.ended = self.hopeless
        else:
            try:
                rng = trial_rng(self.plan.seed, number)
                with self.blas.limit(limits=1):  # the cores are the trials'
                    params = suggested(self.plan.searcher, self.plan.space, self.history, rng)
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
            needs=self.plan.needs,
        )

    def _reported(self, event: Report) -> None:
        """Store a report; an error in that fails the trial, not the search."""
        number = event.number
        try:
            wanted = self._wanted(number, event.value)
        except Failure:  # of the disk
            raise
        except Exception as error:
            self.spoilt[number] = f"its report cannot be judged: {_named(error)}"
            wanted = False
        if wanted:
            self.engine.go_on(number)
        else:
            self.told.add(number)
            self.engine.stop(number)

    def _wanted(self, number: int, value: float) -> bool:
        """Store a report, and return whether its trial continues."""
        curve, place = self.curves[number], self.places.get(number)
        self.store.report(number, len(curve), value)
        curve.append(value)
        if place is None:
            return True
        self.history.report(place, value)
        return self.plan.assessor is None or self.plan.assessor.assess(self.history, place)

    def _ended(self, event: Ended) -> None:
        """Store the end of a trial; an error in that fails the trial, not the search."""
        try:
            row = self._judged(admitted(event))
            self.store.end(row)
        except Failure:  # of the disk
            raise
        except Exception as error:
            row = self._failed(self.rows[event.number], f"its result cannot be stored: {_named(error)}")
        self.rows[row.number] = row
        self.failures.take(row, row.number in self.told | self.killed)
        self.running.discard(row.number)
        if row.number in self.places:
            self.history.end(self.places[row.number], row.value, STATES[row.state])
            if self.plan.assessor is not None and row.state == FINISHED:
                self._silent(row.number)

    def _failed(self, row: TrialRow, why: str) -> TrialRow:
        """Store that a trial has failed."""
        row = replace(row, state=FAILED, value=None, metrics={}, message=text(why), ended=self._now(row))
        self.store.end(row)
        return row

    def _silent(self, number: int) -> None:
        """Warn once that a trial has a result but no reports."""
        if not self.curves[number] and not self.silent:
            self.silent = True
            self.say(f"trial {number} has reported nothing before its result: the assessor cannot judge it")

    def _judged(self, event: Ended) -> TrialRow:
        """The row of an ended trial."""
        number = event.number
        row, curve = self.rows[number], self.curves[number]
        state, value, message = (FINISHED if event.value is not None else FAILED), event.value, event.message
        metrics = dict(event.metrics)
        if value is not None and self.plan.metric != "default":
            try:
                metrics["default"], (value, _) = value, result_of(metrics[self.plan.metric])
            except KeyError:
                why = f"the result has no {self.plan.metric!r}; it has {', '.join(metrics) or 'no other entries'}"
                state, value, message = FAILED, None, why
            except ValueError as error:
                state, value, message = FAILED, None, f"{self.plan.metric}: {error}"
        taken, most = metrics.get("train_seconds"), self.plan.max_seconds if row.kind == "search" else None
        if value is not None and most is not None and isinstance(taken, int | float) and taken > most:
            state, value, message = FAILED, None, f"training took {taken:.1f} s, more than {most:g}"
        if number in self.spoilt:
            state, value, message = FAILED, None, self.spoilt[number]
        elif event.value is None and number in self.told | self.killed:
            value = next((report for report in reversed(curve) if abs(report) < float("inf")), None)
            if number in self.killed:
                value = None
            state = STOPPED if value is not None else FAILED
            message = "killed by the user" if number in self.killed else ""
            message = message or ("" if value is not None else _stopped_early(curve))
        return replace(row, state=state, value=value, metrics=metrics, message=text(message), ended=self._now(row))

    def _now(self, row: TrialRow) -> float:
        """The time in seconds since 1970, unaffected by changes of the clock since the trial started."""
        clock = self.clocks.get(row.number)  # None of a trial of an earlier session
        return time.time() if clock is None else row.started + time.monotonic() - clock

    def _obey(self) -> None:
        """Carry out requests of other processes."""
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
                changes = dict(request["update"])
                self.plan = updated(self.plan, changes)
                self.store.set({"spec": {**self.store.meta().get("spec", {}), **changes}})  # for who resumes it

    def _remember(self) -> None:
        """Take in the trials of the store."""
        curves = self.store.reports()
        for row in self.store.trials():
            self.rows[row.number] = row
            self.curves[row.number] = curves.get(row.number, [])
            if row.kind == "search":
                try:
                    self._place(row)
                except (TypeError, ValueError) as error:
                    self._pass_over(row, str(error))
                    continue
            if row.state == RUNNING:
                self.again.append(row)
        self.failures.remember(self.rows.values())

    def _place(self, row: TrialRow) -> None:
        """Add a trial to the searcher's history. Raises ValueError if its parameters are not in the space."""
        place = self.places[row.number] = self.history.start(row.params)
        for value in self.curves[row.number]:
            self.history.report(place, value)
        if row.state != RUNNING:
            self.history.end(place, row.value, STATES[row.state])

    def _pass_over(self, row: TrialRow, why: str) -> None:
        """Skip a trial with damaged data in the store: it is shown, but not in the searcher's history."""
        self.say(f"trial {row.number} is skipped: {text(why)}")
        if row.state == RUNNING:
            self.rows[row.number] = self._failed(row, why)


def _stopped_early(curve: Sequence[float]) -> str:
    return "stopped before it had a result" + (": no report was a finite number" if curve else "")


def _warn(text: str) -> None:
    print(f"fastcifar: {text}", file=sys.stderr, flush=True)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {text(error)}"


def trial_seed(seed: int, number: int) -> int:
    """The seed of a trial of the search; confirmations count from the other end."""
    return seed * 1_000_000 + number


def confirm_seeds(seed: int, count: int) -> list[int]:
    """Seeds that no trial of the search uses."""
    return [seed * 1_000_000 + 999_999 - number for number in range(count)]


def updated(plan: Plan, changes: Mapping[str, Any]) -> Plan:
    """The plan with changed limits. changes: values for some of the limits that a request can change."""
    limits = {key: value for key, value in changes.items() if key in ("trials", "seconds")}
    plan = replace(plan, limits=replace(plan.limits, **limits))
    return replace(plan, **{key: changes[key] for key in ("concurrency", "max_failures") if key in changes})
