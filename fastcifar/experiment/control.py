"""Steers an experiment from another process: by requests while it runs, else in its store."""

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastcifar.experiment.objectives.registry import check_recipe, recipes_of
from fastcifar.experiment.planning import space_of
from fastcifar.experiment.spec import Spec, read_spec
from fastcifar.experiment.store.requests import ask
from fastcifar.experiment.store.store import RUNNING, Store, StoreError, TrialRow, locked
from fastcifar.lock import in_use

STEP = 0.05  # seconds between two looks


def stop(folders: Iterable[Path], patience: float, now: bool = False) -> list[Path]:
    """Ask running experiments to begin no further trial, and wait until they have ended, `patience` seconds at most.

    now: end the running trials, too; a resume runs them again. Returns the experiments that have not ended yet.
    """
    left = list(folders)
    for folder in left:
        ask(folder, {"stop": True, "now": now})
    _wait(lambda: not any(in_use(folder) for folder in left), patience)
    return [folder for folder in left if in_use(folder)]


def kill(folder: Path, number: int, patience: float) -> TrialRow:
    """End a running trial; return its row after that. Raises StoreError where it does not run."""
    if trial(folder, number).state != RUNNING:
        raise StoreError(f"trial {number} does not run: it is {trial(folder, number).state}")
    if not in_use(folder):
        raise StoreError(f"{folder.name} does not run")
    ask(folder, {"kill": number})
    _wait(lambda: trial(folder, number).state != RUNNING, patience)
    return trial(folder, number)


def trial(folder: Path, number: int) -> TrialRow:
    """A trial by its number. Raises StoreError where there is none."""
    with closing(Store.read(folder)) as store:
        return store.trial(number)[0]


def update(
    folder: Path, limits: dict[str, Any], space: dict[str, Any] | None, patience: float, source: str = "search space"
) -> bool:
    """Set `trials`, `seconds` or `concurrency`, and where it does not run the space; return whether it is done.

    A running experiment that has not answered in time does it when its driver looks at requests again.
    source: the file or the name of the space, for messages.
    Raises StoreError for a space while it runs, ValueError where a trial that was run does not fit it.
    """
    if in_use(folder):
        if space is not None:
            raise StoreError(f"{folder.name} runs: its space can be changed when it has ended")
        _spec(folder)  # raises for one that another version runs
        ask(folder, {"update": limits})
        return _wait(lambda: limits.items() <= _spec(folder).to_dict().items(), patience)
    with locked(folder), closing(Store.open(folder)) as store:
        spec = replace(read_spec(store), **limits)
        if space is not None:
            spec = replace(spec, space=space)
            check_recipe(spec, folder)
            _check(spec, store.trials(), source)
        store.set({"spec": spec.to_dict()})
    return True


def _check(spec: Spec, rows: Iterable[TrialRow], source: str) -> None:
    """Raise ValueError where the space is not for the recipe, or not for a trial that was run."""
    space, budget = space_of(spec)
    if spec.recipe is not None:
        from fastcifar.experiment.objectives.training.space_check import check_space  # brings torch

        recipes = recipes_of(spec)
        check_space(recipes, space, source=source)
        check_space(lambda params: recipes({**spec.short, **params}), space, source=source)
    for row in rows:
        if row.kind == "search":
            try:
                space.check(row.params, budget)
            except ValueError as error:
                raise ValueError(f"the space does not have the parameters of trial {row.number}: {error}") from None


def _spec(folder: Path) -> Spec:
    with closing(Store.read(folder)) as store:
        return read_spec(store)


def _wait(done: Callable[[], bool], seconds: float) -> bool:
    """Wait until `done()` is true, at most `seconds`; return whether it is."""
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            return False
        time.sleep(STEP)
    return True
