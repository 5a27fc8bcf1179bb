"""Two recipes beside each other: the same seeds, run by run in turn."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from fastcifar.data import Dataset, load
from fastcifar.statistics import MIN_PAIRS, paired, pairs_needed, ratio
from fastcifar.train.comparing.group import Side, begin, load_group
from fastcifar.train.comparing.many import accuracy, has_finished, seconds, summarise, valid_acc
from fastcifar.train.comparing.series import run_group
from fastcifar.train.comparing.verdict import Comparison
from fastcifar.train.recipe.recipe import Recipe
from fastcifar.train.recipe.rules import check_differ
from fastcifar.train.record.record import RecordError
from fastcifar.train.result import Result
from fastcifar.train.run import RunSettings
from fastcifar.train.session import Hooks


def compare(
    recipe_a: Recipe,
    recipe_b: Recipe,
    dataset: Dataset | None = None,
    runs: int = 5,
    *,
    seed: int = 0,
    delta: float | None = None,
    names: tuple[str, str] = ("a", "b"),
    null: bool = False,
    hooks: Callable[[str, int], Hooks] = lambda which, seed: Hooks(),
    on_run: Callable[[str, Result], None] = lambda which, result: None,
    **settings: Unpack[RunSettings],
) -> Comparison:
    """Train both recipes `runs` times, with the seeds from `seed` on, and compare them.

    The runs of a pair follow each other, and every other pair begins with b: a machine that slows down slows both.
    What a process does once is done before the first (`warm`). With `out`, the comparison has a folder of its own there
    (see `group`), and `resume_comparison` goes on with it.
    delta: a difference of accuracy that matters, a share of 1. names: of the recipes, for the records.
    null: the recipes are the same; what differs then is what chance and the machine do.
    hooks: asked before each run with "A" or "B" and the seed. on_run: told of each run when it has ended.

    Raises ValueError, before anything is built, for fewer runs than MIN_PAIRS, recipes of different datasets, recipes
    that are the same (with `null`: that are not), and recipes that do not fit their network or images; else what
    `train` raises.
    """
    check_request(runs, delta)
    check_differ(recipe_a, recipe_b, null)
    dataset = load(recipe_a.dataset) if dataset is None else dataset
    sides = {"A": Side(name=names[0], recipe=recipe_a), "B": Side(name=names[1], recipe=recipe_b)}
    group = begin("compare", sides, dataset, settings, seed=seed, runs=runs, delta=delta)
    results = run_group(group, dataset, hooks=hooks, on_run=on_run)
    return compare_results(results["A"], results["B"], delta)


def resume_comparison(path: str | Path, dataset: Dataset | None = None, runs: int | None = None) -> Comparison:
    """Go on with the comparison in the folder `path` where it stopped; `runs`: with more runs of each recipe.

    Raises RecordError where the folder is that of no comparison, else what `compare` raises.
    """
    group = load_group(Path(path))
    if group.kind != "compare":
        raise RecordError(f"{path}: these are runs of one recipe; `fastcifar train --resume` goes on with them")
    group = group.asked(runs)
    dataset = load(group.sides["A"].recipe.dataset) if dataset is None else dataset
    results = run_group(group, dataset)
    return compare_results(results["A"], results["B"], group.delta)


def check_request(runs: int | None, delta: float | None) -> None:
    """Raise ValueError for what no comparison can be made of. runs: None where they are there already."""
    if runs is not None and runs < MIN_PAIRS:
        raise ValueError(f"runs: a comparison needs at least {MIN_PAIRS} runs of each recipe, not {runs}")
    if delta is not None and not 0 < delta <= 1:
        raise ValueError(f"delta: a difference of accuracy is more than 0 and at most 100 points, not {100 * delta:g}")


def compare_results(
    a: Sequence[Result], b: Sequence[Result], delta: float | None = None, *, times: bool = True
) -> Comparison:
    """Compare runs that are there; pairs have the same seed. times: false leaves their seconds out.

    Raises ValueError where a seed comes twice.
    """
    first, second = _by_seed(a), _by_seed(b)
    seeds = tuple(s for s in sorted(first) if s in second)
    splits = {one.split for one in (*a, *b)}
    few = Comparison(
        a=summarise(a),
        b=summarise(b),
        pairs=seeds,
        accuracy=None,
        valid_acc=None,
        seconds={},
        ratios={},
        split=splits.pop() if len(splits) == 1 else "",
        delta=delta,
        pairs_needed=None,
    )
    if len(seeds) < MIN_PAIRS:
        return few

    def both(value: Callable[[Result], float]) -> tuple[list[float], list[float]]:
        return [value(first[s]) for s in seeds], [value(second[s]) for s in seeds]

    accuracies = paired(*both(accuracy))
    rows = [(seconds(first[s]), seconds(second[s])) for s in seeds]
    parts = rows[0][0] if times else ()
    by_part = {part: ([one[part] for one, _ in rows], [other[part] for _, other in rows]) for part in parts}
    return replace(
        few,
        accuracy=accuracies,
        valid_acc=paired(*both(valid_acc)),
        seconds={part: paired(*values) for part, values in by_part.items()},
        ratios={part: ratio(*values) for part, values in by_part.items()},
        pairs_needed=None if delta is None else pairs_needed(accuracies.difference.sd, delta),
    )


def _by_seed(results: Sequence[Result]) -> dict[int, Result]:
    found = {result.seed: result for result in results if has_finished(result)}
    if len(found) < sum(map(has_finished, results)):
        raise ValueError("pairs: two runs of one recipe have the same seed")
    return found
