"""Both engines keep the contract; each way to break it is found, by the sentence that names the rule."""

import time
from dataclasses import replace

import pytest

from fastcifar.experiment.engines.base import Ended, Report
from fastcifar.experiment.engines.command.engine import CommandEngine
from fastcifar.experiment.engines.local.pool import WorkerEngine
from fastcifar.testing import BrokenContract, check_engine


def local(work, kind=WorkerEngine):
    return kind(work.evaluator, work.folder / "log", limit=work.limit)


def command(work):
    return CommandEngine(work.command, work.folder, work.folder / "trials", limit=work.limit, grace=0.5)


def test_the_local_engine_keeps_the_contract():
    check_engine(local)


def test_the_command_engine_keeps_the_contract():
    check_engine(command, waits=False)


def test_a_command_that_does_not_wait_is_found():
    with pytest.raises(
        BrokenContract, match=r"^a trial that has reported waits for its verdict: without one it reports"
    ):
        check_engine(command)


class Changed(WorkerEngine):
    """An engine whose events are changed."""

    def events(self, timeout):
        return [self.changed(event) for event in super().events(timeout)]

    def changed(self, event):
        return event


class MixesNumbers(Changed):
    """The reports of trial 1 are those of trial 2, and the other way round."""

    def changed(self, event):
        swapped = isinstance(event, Report) and event.number in (1, 2)
        return replace(event, number=3 - event.number) if swapped else event


class MixesResults(Changed):
    def changed(self, event):
        return replace(event, value=7.5) if isinstance(event, Ended) and event.number == 1 else event


class NobodysTrial(Changed):
    def changed(self, event):
        return replace(event, number=77) if event.number == 2 else event


class OneSeed(WorkerEngine):
    def start(self, trial):
        super().start(replace(trial, seed=5))


class EndsTwice(WorkerEngine):
    def events(self, timeout):
        events = super().events(timeout)
        return events + [event for event in events if isinstance(event, Ended)]


class LosesStops(WorkerEngine):
    """A trial that is stopped is not heard of again."""

    def events(self, timeout):
        return [event for event in super().events(timeout) if getattr(event, "message", "") != "stopped"]


class SaysNothing(Changed):
    def changed(self, event):
        return replace(event, message="") if isinstance(event, Ended) else event


class HidesFailures(Changed):
    """A trial that has failed has a result."""

    def changed(self, event):
        return replace(event, value=0.0) if isinstance(event, Ended) and event.value is None else event


class DoesNotWait(WorkerEngine):
    def events(self, timeout):
        events = super().events(timeout)
        for event in events:
            if isinstance(event, Report):
                super().go_on(event.number)
        return events


class Oversleeps(WorkerEngine):
    def events(self, timeout):
        time.sleep(1.2)
        return super().events(timeout)


class Hurries(WorkerEngine):
    """Does not wait for events."""

    def events(self, timeout):
        return super().events(0.0)


class StartsSlowly(WorkerEngine):
    def start(self, trial):
        super().start(trial)
        time.sleep(1.2)


class Unlimited(WorkerEngine):
    def __init__(self, *arguments, limit):
        super().__init__(*arguments, limit=limit and limit / 4)


class LeavesRunning(WorkerEngine):
    """`close` forgets its workers."""

    left = ()

    def close(self):
        LeavesRunning.left, self.workers = [*LeavesRunning.left, *self.workers], []
        super().close()


class RaisesDeath(WorkerEngine):
    def events(self, timeout):
        events = super().events(timeout)
        if any("died" in getattr(event, "message", "") for event in events):
            raise ConnectionError("a worker has died")
        return events


class NoRoom(WorkerEngine):
    def capacity(self, needs):
        return 0


class RoomForMore(WorkerEngine):
    """The more threads a trial needs, the more of them fit."""

    def capacity(self, needs):
        return needs.threads or 1


BROKEN = [
    (NoRoom, "an engine runs at least one trial at a time, .* its capacity for Needs.* is 0"),
    (RoomForMore, r"the more a trial needs, the fewer run beside each other: capacities of \[1, 1, 1000000, 1\]"),
    (MixesNumbers, "each report and result is that of its own trial, once and in order: trial 1 gives"),
    (MixesResults, "each report and result is that of its own trial, once and in order: trial 1 gives"),
    (NobodysTrial, "an event is of a trial that was started: Report.number=77"),
    (
        OneSeed,
        "a trial is given its own parameters and seed, and what else it returns is kept: trial 1 with seed 1001 ha",
    ),
    (EndsTwice, "nothing follows the end of a trial: Ended"),
    (LosesStops, "what a trial does becomes an event: trials .0,. end, and after 6 s"),
    (SaysNothing, "the message of a trial that fails says how: .*: ''"),
    (HidesFailures, "a trial that is stopped at a report has no result: trial 0 has the result 0.0"),
    (DoesNotWait, "a trial that has reported waits for its verdict: without one it reports"),
    (Oversleeps, r"events waits at most its timeout: events\(0.0\) takes 1"),
    (Hurries, "events waits for the first event: after 0.00 s it gives"),
    (StartsSlowly, "start does not wait: it takes 1"),
    (Unlimited, "a trial may take its limit: of 1 s it was given 0"),
    (LeavesRunning, "close ends a trial with its children: the process"),
    (RaisesDeath, "events raises nothing, whatever a trial does: .* ConnectionError: a worker has died"),
]


SLOW = (LosesStops, LeavesRunning)  # the suite waits for what does not come
CASES = [pytest.param(*one, marks=[pytest.mark.slow] if one[0] in SLOW else []) for one in BROKEN]


@pytest.mark.parametrize(("broken", "sentence"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_what_breaks_the_contract_is_found(broken, sentence):
    try:
        with pytest.raises(BrokenContract, match=f"^{sentence}"):
            impatient = broken in (LosesStops, Oversleeps, StartsSlowly)
            check_engine(lambda work: local(work, broken), patience=6.0 if impatient else 30.0)
    finally:
        for worker in LeavesRunning.left:
            worker.end()
        LeavesRunning.left = ()
