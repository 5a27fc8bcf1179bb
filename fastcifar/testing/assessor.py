"""The contract of an assessor (`fastcifar.search.assess.Assessor`), asked for rule by rule."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from fastcifar.search.assess import Assessor
from fastcifar.search.history import FAILED, FINISHED, RUNNING, STOPPED, History
from fastcifar.search.spaces.space import Space
from fastcifar.testing.contract import global_generators_unused, must, no_exception
from fastcifar.testing.histories import rebuilt, snapshot

Curve = Sequence[float]  # reports of a trial, less is better; turned where a history is maximized
NAN, INF = math.nan, math.inf
REPORTS = 9  # of the longest curve
LEVELS = (-INF, -5.0, 3.0, 4.5, 6.0, 8.0, 20.0, INF, NAN)  # from the best to the worst
FELLOWS: dict[str, list[tuple[int, Curve]]] = {  # other trials: state and reports
    "finished": [(FINISHED, [9 - step / 4 - number for step in range(REPORTS)]) for number in range(5)],
    "of every state": [
        (FINISHED, [5, 4, 3]),
        (RUNNING, [6, 6]),
        (FAILED, [7]),
        (FAILED, []),
        (STOPPED, [9, 8, 7, 7]),
        (RUNNING, []),
        (FINISHED, [4.0] * REPORTS),
    ],
    "with reports that are no finite numbers": [
        (FINISHED, [NAN, 4, NAN, INF]),
        (RUNNING, [INF, NAN]),
        (FINISHED, [-INF, INF, 1]),
        (FINISHED, [NAN] * REPORTS),
    ],
}


def check_assessor(make: Callable[[], Assessor], *, relative: bool = True) -> None:
    """Hold an assessor against its contract. Raises BrokenContract, which names the rule and what was found.

    make: gives a new assessor, with the same settings each time.
    relative: whether it judges a trial by others, so that one without others goes on; not so of a threshold.
    """
    for maximize in (False, True):
        for what, fellows in FELLOWS.items():
            for level in LEVELS:
                for steps in range(REPORTS + 1):
                    history, trial = _history(maximize, fellows, [level] * steps)
                    _verdict(make, history, trial, f"with others {what}")
            _better_goes_on(make, maximize, what, fellows)
        for curve in ([], [3.0], [3.0, 2.0], [3.0, 4.0, 5.0], list(map(float, range(REPORTS)))):
            for what, fellows in _alone() if relative else ():
                history, trial = _history(maximize, fellows, curve)
                goes_on = _verdict(make, history, trial, what)
                must(goes_on, "a trial that has no other to be judged by goes on", f"{_call(curve, what)} gives False")


def _alone() -> Iterator[tuple[str, list[tuple[int, Curve]]]]:
    yield "with no other trial", []
    yield "with others that have reported nothing", [(RUNNING, []), (FAILED, [])]


def _history(maximize: bool, fellows: Sequence[tuple[int, Curve]], curve: Curve) -> tuple[History, int]:
    """A history in which the judged trial, the number returned, runs between its fellows."""
    history = History(Space.from_dict({"x": {"_type": "uniform", "_value": [0, 1]}}), maximize)
    sign, place = -1 if maximize else 1, len(fellows) // 2
    trials = [*fellows[:place], (RUNNING, curve), *fellows[place:]]
    for number, (state, reports) in enumerate(trials):
        history.start(np.array([(number + 1) / 20]))
        for value in reports:
            history.report(number, sign * value)
        if state != RUNNING:
            last = reports[-1] if reports and math.isfinite(reports[-1]) else 5.0
            history.end(number, None if state == FAILED else sign * last, state)
    return history, place


def _call(curve: Curve, what: str) -> str:
    return f"assess, after the reports {list(curve)} {what},"


def _verdict(make: Callable[[], Assessor], history: History, trial: int, what: str) -> bool:
    """Whether the trial goes on: each rule that holds of a single judgement."""
    curve = history.loss_curve(trial) * (-1 if history.maximize else 1)
    call, before, assessor = _call(curve.tolist(), what), snapshot(history), make()
    with global_generators_unused(call), no_exception("assess works with any history", call):
        found = assessor.assess(history, trial)
    must(isinstance(found, bool | np.bool_), "a verdict is True or False", f"{call} gives {found!r}")
    must(snapshot(history) == before, "the history is not changed", f"{call} changes it")
    for again, other in (("a new assessor", make()), ("the same assessor, asked again,", assessor)):
        second = other.assess(rebuilt(history), trial)
        must(second == found, "the same history gives the same verdict", f"{call} gives {found}, then {again} {second}")
    return bool(found)


def _better_goes_on(
    make: Callable[[], Assessor], maximize: bool, what: str, fellows: Sequence[tuple[int, Curve]]
) -> None:
    """Of trials that report the same number over and over, none is stopped where one with a worse number goes on."""
    for steps in range(1, REPORTS + 1):
        verdicts = []
        for level in LEVELS:
            history, trial = _history(maximize, fellows, [level] * steps)
            verdicts.append(bool(make().assess(history, trial)))
        for (level, goes_on), (worse, worse_goes_on) in zip(
            zip(LEVELS, verdicts, strict=True), list(zip(LEVELS, verdicts, strict=True))[1:], strict=False
        ):
            must(
                goes_on or not worse_goes_on,
                "no trial is stopped where a worse one goes on",
                f"after {steps} reports with others {what}, {'negated ' if maximize else ''}{level} is stopped and "
                f"{worse} goes on",
            )
