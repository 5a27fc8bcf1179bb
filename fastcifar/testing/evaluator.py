"""The contract of an evaluator (`fastcifar.experiment.objectives.base.Evaluator`), asked for rule by rule."""

import math
import pickle
import time
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from fastcifar.experiment.engines.base import result_of
from fastcifar.experiment.objectives.base import Evaluator, TrialStopped
from fastcifar.names import short
from fastcifar.search.spaces.space import Params
from fastcifar.testing.contract import BrokenContract, must, no_exception

AFTER = 0.05  # seconds in which a report that comes after its trial is noticed


class OwnError(Exception):
    """What `report` raises here; an evaluator that lets it pass does not know it."""


def check_evaluator(
    make: Callable[[], Evaluator],
    params: Iterable[Params],
    *,
    same: bool = True,
    failing: Iterable[Params] = (),
) -> None:
    """Hold an evaluator against its contract. Raises BrokenContract, which names the rule and what was found.

    make: gives a new evaluator, with the same settings each time. params: of trials that it can run; each is run about
    six times. same: whether the same parameters and seed give the same reports and result.
    failing: parameters of trials that must raise.
    """
    evaluator = _pickled(make())
    for one in params:
        first = _run(evaluator, one, seed=1)
        if same:
            for who, other in (("the same evaluator", evaluator), ("a new one", _pickled(make()))):
                again = _run(other, one, seed=1)
                must(
                    again.outcome == first.outcome,
                    "the same parameters and seed give the same reports and result",
                    f"{first.what} gives {first.outcome}, then {who} {again.outcome}",
                )
        _run(evaluator, one, seed=2, confirm=True)
        if first.reports:
            for error in (TrialStopped(), OwnError()):
                _stops(evaluator, one, error)
                _run(evaluator, one, seed=1)  # the next trial is none the wiser
    for one in failing:
        trial = Run(params=one, seed=1, confirm=False)
        try:
            evaluator(deepcopy(one), 1, trial.report, False)
        except Exception:
            continue
        raise BrokenContract(f"what goes wrong in a trial is raised: {trial.what} returns")


@dataclass(kw_only=True)
class Run:
    """One trial, what it has reported, and its result."""

    params: Params
    seed: int
    confirm: bool
    raises: BaseException | None = None  # by `report`
    over: bool = False
    reports: list[float] = field(default_factory=list)
    wrong: list[Any] = field(default_factory=list)
    late: list[Any] = field(default_factory=list)
    result: Any = None

    @property
    def what(self) -> str:
        return f"the trial {short(self.params)} with seed {self.seed}{', confirm=True' if self.confirm else ''}"

    @property
    def outcome(self) -> tuple[list[float], float]:
        return self.reports, result_of(self.result)[0]

    def report(self, value: Any) -> None:
        number = value.get("default") if isinstance(value, Mapping) else value
        if self.over:
            self.late.append(value)
            return
        try:
            number = math.nan if number is None or isinstance(number, str | bytes | bool) else float(number)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        self.reports.append(number)
        if not math.isfinite(number):
            self.wrong.append(value)
        if self.raises is not None:
            raise self.raises


def _pickled(evaluator: Evaluator) -> Evaluator:
    """As a worker process has it."""
    with no_exception("an evaluator can be pickled, which takes it to the workers", f"pickling {evaluator!r}"):
        copy: Evaluator = pickle.loads(pickle.dumps(evaluator))
    return copy


def _run(evaluator: Evaluator, params: Params, seed: int, confirm: bool = False) -> Run:
    """A trial that goes well: each rule that holds of a single one."""
    run = Run(params=params, seed=seed, confirm=confirm)
    with no_exception("a trial with parameters of the space has a result", run.what):
        run.result = evaluator(deepcopy(params), seed, run.report, confirm)
    run.over = True
    with no_exception("a result is a finite number, or a dict with one under 'default'", run.what):
        result_of(run.result)
    must(not run.wrong, "reports are finite numbers", f"{run.what} reports {short(run.wrong)}")
    time.sleep(AFTER)
    must(not run.late, "reports come before the result", f"{run.what} reports {short(run.late)} after it")
    return run


def _stops(evaluator: Evaluator, params: Params, error: BaseException) -> None:
    """What `report` raises ends the trial at that report, and comes out of it."""
    run = Run(params=params, seed=1, confirm=False, raises=error)
    try:
        evaluator(deepcopy(params), 1, run.report, False)
    except type(error):
        must(len(run.reports) == 1, "a trial ends where `report` raises", f"{run.what} reports again")
    except Exception as other:
        raise BrokenContract(
            f"what `report` raises comes out of the trial: {run.what} raises {other!r} in place of {error!r}"
        ) from other
    else:
        raise BrokenContract(f"what `report` raises comes out of the trial: {run.what} swallows {error!r}")
