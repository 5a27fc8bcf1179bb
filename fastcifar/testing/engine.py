"""The contract of an engine (`fastcifar.experiment.engines.base.Engine`), asked for rule by rule."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from fastcifar.errors import Failure
from fastcifar.experiment.engines.base import NO_NEEDS, Engine, Needs
from fastcifar.testing.contract import must
from fastcifar.testing.observed import Observed, gone
from fastcifar.testing.play import Work

AT_ONCE = 3  # trials beside each other
HANG = 60  # seconds of a trial that does not end by itself


def check_engine(
    make: Callable[[Work], Engine], *, waits: bool = True, local: bool = True, patience: float = 30.0
) -> None:
    """Hold an engine against its contract. Raises BrokenContract, which names the rule and what was found.

    make: gives a new engine that runs `Work.evaluator`, or `Work.command`: trials that do what their parameters list.
    waits: whether a trial that reports waits for `go_on` or `stop`. local: whether its processes are of this machine,
    so that their end can be seen. patience: seconds in which what must happen has happened; a call that must not
    wait may take a sixth of it, on a busy machine.
    """
    with _observed(make, patience) as engine:
        _room(engine.engine)
        _quiet(engine)
        _verdicts(engine, waits)
        _beside_each_other(engine, waits)
        _failures(engine)
        _stopped_in_the_middle(engine, local)
    with _observed(make, patience, limit=1.0) as engine:
        _limit(engine, 1.0)
    with _observed(make, patience) as engine:
        _closed(engine, local)


@contextmanager
def _observed(make: Callable[[Work], Engine], patience: float, limit: float | None = None) -> Iterator[Observed]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        engine = make(Work(folder=Path(name), limit=limit))
        try:
            yield Observed(engine, Path(name), patience)
        except BaseException:
            with suppress(Exception):
                engine.close()
            raise
        engine.close()


def _room(engine: Engine) -> None:
    """How many trials fit."""
    rule = "an engine runs at least one trial at a time, or says by a Failure why it runs none"
    rooms = []
    for needs in (NO_NEEDS, Needs(threads=1), Needs(threads=1_000_000), Needs(threads=1, gpus=10_000)):
        with suppress(Failure):
            rooms.append(room := engine.capacity(needs))
            must(room >= 1, rule, f"its capacity for {needs} is {room}")
    found = f"capacities of {rooms} for growing needs"
    must(rooms == sorted(rooms, reverse=True), "the more a trial needs, the fewer run beside each other", found)


def _quiet(engine: Observed) -> None:
    """Nothing runs."""
    for timeout in (0.0, 0.2):
        events = engine.hear(timeout)
        must(not events, "an engine without trials has no events", f"events({timeout}) gives {events}")
    engine.go_on(99)
    engine.stop(99)
    events = engine.hear(0.0)
    must(not events, "go_on and stop of a trial that does not run do nothing", f"events follow: {events}")


def _beside_each_other(engine: Observed, waits: bool) -> None:
    """Several trials at once, each with numbers of its own; where they wait for verdicts, until all have begun."""
    first = engine.following
    wanted = {first + n: [100.0 * (first + n) + step for step in range(4)] for n in range(AT_ONCE)}
    for number, (*reports, result) in wanted.items():
        engine.start([*(["report", value] for value in reports), ["return", result]], number=number)
    if waits:
        for number in wanted:
            engine.until_reported(number, 1)
        for number, (first_report, *_) in wanted.items():
            _own(number, [first_report], engine.reports[number])
            engine.go_on(number)
    engine.until_ended(*wanted, go_on=True)
    for number, numbers in wanted.items():
        end, given = engine.ends[number], engine.trials[number]
        _own(number, numbers, [*engine.reports[number], end.value])
        must(
            (end.metrics.get("params"), end.metrics.get("seed")) == (given.params, given.seed),
            "a trial is given its own parameters and seed, and what else it returns is kept",
            f"trial {number} with seed {given.seed} has {dict(end.metrics)}",
        )


def _own(number: int, wanted: Sequence[float], found: Sequence[float | None]) -> None:
    must(
        list(found) == list(wanted),
        "each report and result is that of its own trial, once and in order",
        f"trial {number} gives {list(wanted)}, and the events have {list(found)}",
    )


def _verdicts(engine: Observed, waits: bool) -> None:
    """A trial that has reported waits, goes on, and is stopped."""
    number = engine.start([["report", 1.0], ["report", 2.0], ["report", 3.0], ["sleep", HANG]])
    engine.until_reported(number, 1)
    if waits:
        engine.hear(0.4)
        found = engine.reports[number]
        must(len(found) == 1, "a trial that has reported waits for its verdict", f"without one it reports {found}")
    engine.go_on(number)
    engine.until_reported(number, 2)
    engine.stop(number)
    engine.until_ended(number)
    engine.fails(number, "a trial that is stopped at a report has no result")
    events = engine.hear(0.2)
    must(not events, "nothing follows the end of a trial", f"events follow: {events}")


def _failures(engine: Observed) -> None:
    """Whatever a trial does, it is one trial's; another one beside it has its result."""
    bad = {
        engine.start([["raise", "spoilt milk"]]): "spoilt milk",
        engine.start([["report", 1.0], ["die", 0]]): "",
        engine.start([["return", "not a number"]]): "",
    }
    good = engine.start([["report", 5.0], ["return", 6.0]])
    engine.until_ended(*bad, good, go_on=True)
    for number, words in bad.items():
        what = engine.trials[number].params["acts"]
        engine.fails(number, f"a trial that ends with {what[-1]} has no result")
        message = engine.ends[number].message
        must(bool(message) and words in message, "the message of a trial that fails says how", f"{what}: {message!r}")
    must(engine.ends[good].value == 6.0, "a trial does not fail with another one", f"it has {engine.ends[good]}")
    after = engine.start([["return", 7.0]])
    engine.until_ended(after, go_on=True)
    must(engine.ends[after].value == 7.0, "after a failure the next trial works", f"it has {engine.ends[after]}")


def _stopped_in_the_middle(engine: Observed, local: bool) -> None:
    """A trial that does not report any more, with a child of its own."""
    number = engine.start([["pid", 0], ["child", HANG], ["sleep", HANG]])
    engine.until_reported(number, 2, go_on=True)
    began = time.monotonic()
    events = engine.hear(0.3)
    took = time.monotonic() - began
    must(not events and took >= 0.25, "events waits for the first event", f"after {took:.2f} s it gives {events}")
    engine.stop(number)
    engine.until_ended(number)
    engine.fails(number, "a trial that is stopped has no result")
    _all_gone(engine, number, "stop", local)
    engine.stop(number)
    engine.go_on(number)
    events = engine.hear(0.2)
    must(not events, "go_on and stop of a trial that has ended do nothing", f"events follow: {events}")


def _limit(engine: Observed, limit: float) -> None:
    began = time.monotonic()
    number = engine.start([["sleep", HANG]])
    engine.until_ended(number)
    took = time.monotonic() - began
    engine.fails(number, "a trial that takes longer than its limit has no result")
    message = engine.ends[number].message
    must(bool(message), "the message of a trial that fails says how", "it took too long, and the message is empty")
    must(took >= 0.9 * limit, "a trial may take its limit", f"of {limit:g} s it was given {took:.1f} s")


def _closed(engine: Observed, local: bool) -> None:
    """`close` ends what runs, in whatever state."""
    numbers = [engine.start([["pid", 0], ["child", HANG], ["sleep", HANG]]) for _ in range(2)]
    waiting = engine.start([["report", 1.0], ["sleep", HANG]])
    for number in numbers:
        engine.until_reported(number, 2, go_on=True)
    engine.until_reported(waiting, 1)
    began = time.monotonic()
    engine.engine.close()
    took = time.monotonic() - began
    must(took < engine.patience, "close ends what runs", f"it takes {took:.1f} s")
    for number in numbers:
        _all_gone(engine, number, "close", local)


def _all_gone(engine: Observed, number: int, what: str, local: bool) -> None:
    for who, pid in zip(("process", "child"), engine.reports[number], strict=True):
        must(
            not local or gone(int(pid)),
            f"{what} ends a trial with its children",
            f"the {who} {pid:.0f} of trial {number} still runs",
        )
