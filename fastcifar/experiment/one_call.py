"""`optimize`: a Python function searched in one call."""

import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastcifar.experiment.control import update
from fastcifar.experiment.failures import MAX_FAILURES
from fastcifar.experiment.objectives.base import FunctionEvaluator, find_function
from fastcifar.experiment.planning import plan_of
from fastcifar.experiment.session import driving
from fastcifar.experiment.spec import Spec, read_spec
from fastcifar.experiment.store.folders import OUT, find_folder, make_folder
from fastcifar.experiment.store.store import Store
from fastcifar.experiment.summary import confirmed, summary
from fastcifar.experiment.tuners.given import object_of, recorded
from fastcifar.machine import check_threads, share_of_cores
from fastcifar.rules import optional, seconds, whole
from fastcifar.search.assess import Assessor
from fastcifar.search.searcher import Searcher

Objects = tuple[Searcher | None, Assessor | None]
PATIENCE = 10.0  # seconds in which a search that runs answers


def optimize(
    function: Callable[..., Any] | str,
    space: Mapping[str, Any] | None = None,
    *,
    trials: int | None = None,
    duration: str | float | None = None,
    maximize: bool = True,
    metric: str = "default",
    tuner: str | Mapping[str, Any] | Searcher = "GP",
    assessor: str | Mapping[str, Any] | Assessor | None = None,
    concurrency: int = 1,
    threads: int | None = None,
    trial_gpus: int | None = None,
    max_failures: int = MAX_FAILURES,
    confirm: tuple[int, int] = (0, 0),
    seed: int = 0,
    out: str | Path = OUT,
    resume: str | Path | None = None,
) -> dict[str, Any]:
    """Search the parameters for which a function gives most (or least); return the summary, with `best` in it.

    function: called in worker processes with the parameters, and by name with `seed` and `report`, where it has such
    arguments; `module:function`, or any function (then only `resume` goes on with the search, not the command line).
    metric: the entry of a dict that it returns.
    tuner: GP, TPE, ... by name; a class of yours, `module:Class` or `file.py:Class`, also as {"class_name": ...,
    "class_args": {...}}; or an object with `suggest` and `best` (see `Searcher`).
    assessor: ASHA or Medianstop, which judge what `report` is given, or a class or an object of yours with `assess`.
    space: in NNI's JSON form. confirm: (K, N) runs the best K again on N fresh seeds.
    max_failures: trials that fail in a row from the start, after which the search ends; 0 is never.
    trial_gpus: that each worker sees, those with the fewest workers; 0 hides them, None leaves them alone.
    threads: of each worker; by default the cores are shared out. A function that cannot be imported by its name runs in
    a copy of this process, whose libraries keep the threads that they have.
    resume: go on with this search (its folder, or its id under `out`), with the settings that it was begun with; of
    the arguments only function, trials, duration and out then count, and a space must be the same. A tuner or an
    assessor that was an object is given again.
    Raises ValueError for a function or a class that cannot be found, and what goes together badly; KeyboardInterrupt
    after Ctrl-C, when the running trials have ended (`fastcifar search --resume` goes on, where all has a name).
    """
    for name, value, least in (("trials", trials, 1), ("concurrency", concurrency, 1), ("seed", seed, 0)):
        optional(whole(least))(name, value)
    whole(0)("max_failures", max_failures)
    check_threads(threads)
    if resume is not None:
        limits = {"trials": trials, "seconds": None if duration is None else seconds(duration)}
        return _resumed(function, space, find_folder(Path(out), str(resume)), limits, tuner, assessor)
    if space is None:
        raise ValueError("space: a search space is needed, in NNI's JSON form")
    evaluator = FunctionEvaluator(function, metric)
    if threads is not None and not evaluator.importable:
        raise ValueError("threads: a function without a name that can be imported keeps those of this process")
    spec = Spec(
        name=_name(function),
        space=dict(space),
        tuner=recorded(tuner, "tuner"),
        assessor=None if assessor is None else recorded(assessor, "assessor"),
        maximize=maximize,
        metric=metric,
        seed=seed,
        trials=trials,
        max_failures=max_failures,
        seconds=None if duration is None else seconds(duration),
        concurrency=concurrency,
        threads=threads or (share_of_cores(concurrency) if evaluator.importable else None),
        confirm=confirm,
        function=_path(evaluator),
        code_directory=str(Path.cwd()),
        gpus=None if trial_gpus is None else {"number": trial_gpus, "use_active": True},
    )
    objects = _objects(spec, tuner, assessor)
    plan_of(spec, *objects)
    return _searched(spec, evaluator, make_folder(Path(out), spec.name), objects)


def _resumed(
    function: Callable[..., Any] | str,
    space: Mapping[str, Any] | None,
    folder: Path,
    limits: Mapping[str, Any],
    tuner: Any,
    assessor: Any,
) -> dict[str, Any]:
    """Go on with a search of a function. limits: that take the place of its own, where they are not None."""
    _name(function)
    with closing(Store.read(folder)) as store:
        spec = read_spec(store)
    kind = next((kind for kind in ("recipe", "command", "supernet") if getattr(spec, kind) is not None), None)
    if kind is not None:
        raise ValueError(f"resume: {folder} is the search of a {kind}, not of a function")
    if space is not None and dict(space) != spec.space:
        raise ValueError(f"space: {folder} was begun with another one; leave it out")
    objects = _objects(spec, tuner, assessor)
    changed = {name: value for name, value in limits.items() if value is not None}
    if changed:
        update(folder, changed, None, PATIENCE)
    return _searched(replace(spec, **changed), FunctionEvaluator(function, spec.metric), folder, objects)


def _objects(spec: Spec, tuner: Any, assessor: Any) -> Objects:
    """The tuner and the assessor themselves, where the spec has no names for them."""
    return object_of(tuner, spec.tuner, "tuner"), object_of(assessor, spec.assessor, "assessor")


def _searched(spec: Spec, evaluator: FunctionEvaluator, folder: Path, objects: Objects) -> dict[str, Any]:
    searcher, assessor = objects
    with driving(folder, spec, lambda driver: None, evaluator, searcher=searcher, assessor=assessor) as driver:
        driver.search()
        document = summary(spec, driver, confirmed(spec, driver))
    if driver.stopping:
        raise KeyboardInterrupt
    if document["best"] is None:
        first = next((row.message for row in driver.rows.values() if row.message), "")
        print(f"fastcifar: {driver.hopeless or f'no trial has a result; the first failed: {first}'}", file=sys.stderr)
    return document


def _name(function: Callable[..., Any] | str) -> str:
    """What the experiment is called. Raises ValueError for what is no function, or cannot be found."""
    if isinstance(function, str):
        find_function(function, "function")
        return function.rpartition(":")[2]
    if not callable(function):
        raise ValueError(f"function: a function or its name is needed, not {function!r}")
    return str(getattr(function, "__name__", type(function).__name__)).strip("<>")


def _path(evaluator: FunctionEvaluator) -> str | None:
    """`module:function`, by which a later session finds the function; None where it cannot."""
    function = evaluator.function
    if isinstance(function, str):
        return function
    return f"{function.__module__}:{function.__qualname__}" if evaluator.importable else None
