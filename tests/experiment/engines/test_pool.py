"""Warm workers: whatever a function does, it is one trial's, and the next one works."""

import math
import os
import threading
import time
from pathlib import Path

import pytest
from workers import copied, gone, run, trial, until_ended

from fastcifar.experiment.engines.base import Ended, Report
from fastcifar.experiment.objectives.base import find_function


def test_a_function_by_name(engine, module):
    one = engine(f"{module}:offered")
    one.start(trial(3, seed=11, x=2))
    report, end = until_ended(one)
    assert report == Report(number=3, value=0.5)
    assert (end.number, end.value, end.metrics["params"]) == (3, 11, {"x": 2})
    again = run(one, 4, seed=12)
    assert again.value == 12 and again.metrics["pid"] == end.metrics["pid"]  # the worker stays
    assert end.metrics["pid"] != os.getpid()


@pytest.mark.parametrize("kind", ["lambda", "closure", "main", "callable", "renamed"])
def test_a_function_without_a_name(engine, kind, monkeypatch):
    factor = 3

    def closure(params):
        return factor * params["x"]

    class Times:
        def __call__(self, params):
            return factor * params["x"]

    def named(params):
        return factor * params["x"]

    if kind == "main":
        named.__module__, named.__qualname__ = "__main__", "named"
    if kind == "renamed":  # as after `def f` twice, or beneath a decorator
        named.__module__, named.__qualname__ = "json", "dumps"
    functions = {"lambda": lambda params: factor * params["x"], "closure": closure, "callable": Times()}
    one = engine(functions.get(kind, named))
    assert not one.evaluator.importable
    assert [run(one, number, x=number).value for number in range(3)] == [0, 3, 6]
    assert len(one.workers) == 1


def test_trials_beside_each_other_have_workers_of_their_own(engine):
    barrier = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path("/tmp")
    places = [barrier / f"fastcifar-{os.getpid()}-{number}" for number in range(2)]

    def meet(params):
        places[params["me"]].touch()
        while not all(place.exists() for place in places):
            time.sleep(0.01)
        return {"default": 1, "pid": os.getpid()}

    one = engine(meet)
    try:
        for number in range(2):
            one.start(trial(number, me=number))
        ends = until_ended(one, 2)
    finally:
        for place in places:
            place.unlink(missing_ok=True)
    assert {end.number for end in ends} == {0, 1}
    assert len({end.metrics["pid"] for end in ends}) == 2


MISTAKES = {
    "nan": "NameError: name 'nan' is not defined",
    "float('nan')": "the result is nan",
    "float('-inf')": "the result is -inf",
    "'12'": "a result is a number or a dict with a number under 'default', not '12'",
    "None": "not None",
    "True": "not True",
    "{'loss': 1}": "a result that is a dict needs a number under 'default'; it has ['loss']",
    "{'default': 'x'}": "not 'x'",
    "[1, 2]": "not [1, 2]",
    "10 ** 400": "the result is a number beyond all floats, 2^1328...",
    "10 ** 5000": "the result is a number beyond all floats, 2^16609...",
    "(_ for _ in ()).throw(ValueError('\\ud800'))": r"\ud800",
    "(_ for _ in ()).throw(ValueError(10 ** 5000))": "a ValueError that cannot be shown: ValueError",
    "report(10 ** 400)": "report: a number is needed, not 2^1328...",
    "1 / 0": "ZeroDivisionError: division by zero",
    "sys.exit(3)": "SystemExit: 3",
    "(_ for _ in ()).throw(ValueError())": "ValueError",
    "(_ for _ in ()).throw(ValueError('stopped'))": "stopped",
    "open('/does/not/exist')": "FileNotFoundError",
    "(_ for _ in ()).throw(EOFError('half a file'))": "EOFError: half a file",
    "(_ for _ in ()).throw(BrokenPipeError(32, 'of its own'))": "BrokenPipeError: [Errno 32] of its own",
    "(_ for _ in ()).throw(KeyboardInterrupt())": "KeyboardInterrupt",
    "report('0.5')": "report: a number is needed, not '0.5'",
    "report(None)": "report: a number is needed, not None",
    "report({'loss': 1})": "report: a number is needed, not {'loss': 1}",
}


def test_what_is_no_result_fails_and_the_worker_stays(engine):
    one = engine(copied())
    for number, (what, message) in enumerate(MISTAKES.items()):
        end = run(one, number, do=what)
        assert end.value is None and message in end.message, what
        assert "Traceback" in end.metrics["traceback"]
    assert "division by zero" in run(one, 98, do="1/0").metrics["traceback"].splitlines()[-1]
    assert run(one, 99, do="{'default': 1.5, 'net': {'k': 3}, 'path': set()}") == Ended(
        number=99, value=1.5, metrics={"net": {"k": 3}, "path": "set()"}
    )
    end = run(one, 100, do="{'default': 1, 'flops': 10 ** 400}")
    assert (end.value, end.metrics) == (1, {})
    assert end.message == "left out: 'flops' (a whole number beyond all floats)"
    assert one.made == 1


def test_reports_that_are_no_finite_numbers(engine):
    one = engine(copied())
    one.start(trial(do="[report(v) for v in (float('nan'), float('inf'), {'default': 2}, 3)] and 1"))
    *reports, end = until_ended(one)
    assert math.isnan(reports[0].value) and [one.value for one in reports[1:]] == [math.inf, 2.0, 3.0]
    assert end.value == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("square", "module:function is needed, not 'square'"),
        ("no_such_module:f", "--objective no_such_module:f: No module named 'no_such_module'"),
        ("{module}:squar", "has no squar; did you mean square?"),
        ("{module}:notes", "it is no function but 3"),
    ],
)
def test_find_function(module, path, message):
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        find_function(path.format(module=module))


@pytest.mark.parametrize("before", ["1", "report(1.0)"])
def test_a_trial_that_hangs(engine, before):
    """Its time is up, with a report before or none."""
    one = engine(copied(), limit=0.4)
    assert run(one, 0, do="1").value == 1
    began = time.monotonic()
    end = run(one, 1, do=f"[{before}, time.sleep(60)]")
    assert end.message == "it took longer than 0.4 s" and 0.3 < time.monotonic() - began < 5
    assert run(one, 2, do="1").value == 1


def test_a_trial_that_waits_for_its_verdict_is_over_in_time_too(engine):
    one = engine(copied(), limit=0.3)
    one.start(trial(do="report(1.0)"))
    events = []
    while not any(isinstance(event, Ended) for event in events):
        events += one.events(2.0)
    assert events[-1].message == "it took longer than 0.3 s"
    assert one.events(0.0) == []  # with nothing to run, and a limit


def reported(engine):
    while True:
        for event in engine.events(0.5):
            assert isinstance(event, Report), event
            return event


def test_stop_at_a_report(engine):
    one = engine(copied())
    one.start(trial(do="[report(i) for i in range(100)]"))
    reported(one)
    one.stop(0)
    assert until_ended(one) == [Ended(number=0, message="stopped")]
    assert run(one, 1, do="5").value == 5 and one.made == 1


@pytest.mark.parametrize("after", ["return 1", "raise RuntimeError('cleanup')", "report(2.0); report(3.0); return 4"])
def test_a_stop_that_the_function_does_not_want(engine, after):
    """It says what it likes: the trial was stopped."""
    scope = {}
    code = f"def f(params, report):\n try:\n  report(1.0)\n except BaseException:\n  pass\n {after}"
    exec(code, scope)
    one = engine(scope["f"])
    one.start(trial())
    reported(one)
    one.stop(0)
    assert until_ended(one) == [Ended(number=0, message="stopped")]


def test_stop_in_the_middle(engine):
    one = engine(copied())
    one.start(trial(do="[report(1.0), time.sleep(60)]"))
    reported(one)
    one.go_on(0)
    pid = one.workers[0].process.pid
    one.stop(0)
    assert one.events(0.0) == [Ended(number=0, message="stopped")]
    assert gone(pid) and run(one, 1, do="5").value == 5
    one.stop(1)  # it has ended
    one.go_on(1)
    assert one.events(0.0) == []


def test_a_second_stop_ends_what_did_not_stop_at_its_report(engine):
    def stubborn(params, report):
        try:
            report(1.0)
        finally:
            time.sleep(60)

    one = engine(stubborn)
    one.start(trial())
    reported(one)
    one.stop(0)
    assert one.events(0.2) == []
    one.stop(0)
    assert one.events(0.0) == [Ended(number=0, message="stopped")]


def test_reports_after_the_end(engine):
    """A thread of the function that goes on reporting is refused; the next trial is none the wiser."""
    said = []

    def haunted(params, report):
        def later():
            time.sleep(0.05)
            try:
                report(9.0)
            except RuntimeError as error:
                said.append(str(error))

        if params["first"]:
            threading.Thread(target=later).start()
            return 1
        time.sleep(0.2)
        return {"default": 2, "said": list(said)}

    one = engine(haunted)
    assert run(one, 0, first=True).value == 1
    assert run(one, 1, first=False) == Ended(number=1, value=2, metrics={"said": ["report: the trial has ended"]})


def test_warm_trials_are_fast(engine, module):
    one = engine(f"{module}:square")
    run(one, x=1)
    began = time.perf_counter()
    for number in range(100):
        assert run(one, number, x=number).value == number**2
    assert (time.perf_counter() - began) / 100 < 0.02
