"""Makes the runs of a group: takes those that are on disk, goes on with one that was interrupted, makes the others."""

from collections.abc import Callable, Mapping

from fastcifar.data import Dataset
from fastcifar.train.comparing.group import ENDED, Group
from fastcifar.train.comparing.pace import expected, warm
from fastcifar.train.result import Result
from fastcifar.train.run import resume, train
from fastcifar.train.session import Hooks
from fastcifar.train.watch import look


def run_group(
    group: Group,
    dataset: Dataset,
    *,
    hooks: Callable[[str, int], Hooks] = lambda which, seed: Hooks(),
    on_run: Callable[[str, Result], None] = lambda which, result: None,
    on_estimate: Callable[[Mapping[str, list[float]]], None] = lambda seconds: None,
) -> dict[str, list[Result]]:
    """The runs of each side, in the order of their turns.

    hooks: asked before each run that is made or gone on with, with its side and seed. on_run: told of each run when it
    has ended, also of those that are on disk. on_estimate: told before the first how long the runs to come will take,
    seconds by side; not called where there are none.

    Raises ValueError where the images are not those that the group began with, RecordError where another process is
    at work on it; else what `train` and `resume` raise.
    """
    group.check_images(dataset)
    results: dict[str, list[Result]] = {which: [] for which in group.sides}
    with group.held() as folder:
        group.save()
        found = group.found()
        estimate = _warmed(group, found, dataset)
        if estimate:
            on_estimate(estimate)
        for which, seed in group.turns():
            look(folder)
            result = found.get((which, seed))
            if result is None:
                side, settings = group.sides[which], group.run_settings(which)
                told = hooks(which, seed)
                result = train(side.recipe, dataset, seed, name=side.name, source=side.source, hooks=told, **settings)
            elif result.status not in ENDED:
                assert result.path is not None
                result = resume(result.path, dataset, hooks=hooks(which, seed))
            results[which].append(result)
            on_run(which, result)
    return results


def _warmed(group: Group, found: Mapping[tuple[str, int], Result], dataset: Dataset) -> dict[str, list[float]]:
    """Do once, for each recipe with runs to come, what a process does once; the seconds that these will take."""
    estimate = {}
    for which, side in group.sides.items():
        known = [found.get(turn) for turn in group.turns() if turn[0] == which]
        to_come = [result for result in known if result is None or result.status not in ENDED]
        if to_come:
            estimate[which] = expected(warm(side.recipe, dataset, **group.settings), to_come)
    return estimate
