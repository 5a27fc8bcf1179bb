"""Two recipes beside each other: the same seeds, run by run in turn."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

from fastcifar.data import Dataset, load
from fastcifar.statistics import MIN_PAIRS, Paired, paired, pairs_needed, ratio
from fastcifar.train.many import Summary, accuracy, has_finished, seconds, summarise, valid_acc, warm
from fastcifar.train.networks import check_differ
from fastcifar.train.recipe import Recipe
from fastcifar.train.result import Result
from fastcifar.train.run import RunSettings, check_fit, train
from fastcifar.train.session import Hooks
from fastcifar.train.verdict import outcome, verdict


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What pairs of runs with the same seed say of recipe b less recipe a.

    a, b: all runs of each. pairs: the seeds with which both finished; what follows is of them, and None or empty where
    they are fewer than MIN_PAIRS.
    accuracy: what the recipes end with, over their views where they have them; valid_acc: without. Shares of 1.
    seconds: of prepare, train, tta, evaluate, and `counted`, which is the first three together.
    ratios: of the same times, b / a: geometric mean with its interval; None where a time is 0.
    delta: a difference that matters, a share of 1. pairs_needed: how many would find it in 80 of 100 cases.
    """

    a: Summary
    b: Summary
    pairs: tuple[int, ...]
    accuracy: Paired | None
    valid_acc: Paired | None
    seconds: Mapping[str, Paired]
    ratios: Mapping[str, dict[str, float] | None]
    delta: float | None
    pairs_needed: int | None

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return {
            "outcome": outcome(self),
            "verdict": verdict(self),
            "pairs": list(self.pairs),
            "accuracy": None if self.accuracy is None else self.accuracy.to_dict(),
            "valid_acc": None if self.valid_acc is None else self.valid_acc.to_dict(),
            "seconds": {part: times.to_dict() | {"ratio": self.ratios[part]} for part, times in self.seconds.items()},
            "delta": self.delta,
            "pairs_needed": self.pairs_needed,
        }


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
    What a process does once is done before the first (`warm`).
    delta: a difference of accuracy that matters, a share of 1. names: of the recipes, for the records.
    null: the recipes are the same; what differs then is what chance and the machine do.
    hooks: asked before each run with "A" or "B" and the seed. on_run: told of each run when it has ended.

    Raises ValueError, before anything is built, for fewer runs than MIN_PAIRS, recipes of different datasets, recipes
    that are the same (with `null`: that are not), and recipes that do not fit their network or images; else what
    `train` raises.
    """
    check_request(runs, delta)
    if recipe_a.dataset != recipe_b.dataset:
        raise ValueError(f"dataset: A is for {recipe_a.dataset}, B for {recipe_b.dataset}; both need the same images")
    check_differ(recipe_a, recipe_b, null)
    dataset = load(recipe_a.dataset) if dataset is None else dataset
    recipes = {"A": (recipe_a, names[0]), "B": (recipe_b, names[1])}
    for recipe, _ in recipes.values():
        check_fit(recipe, dataset, settings.get("split", "test"))
    for recipe, _ in recipes.values():
        warm(recipe, dataset, **settings)
    results: dict[str, list[Result]] = {"A": [], "B": []}
    for which, run_seed in turns(runs, seed):
        recipe, name = recipes[which]
        result = train(recipe, dataset, run_seed, name=name, hooks=hooks(which, run_seed), **settings)
        results[which].append(result)
        on_run(which, result)
    return compare_results(results["A"], results["B"], delta)


def check_request(runs: int, delta: float | None) -> None:
    """Raise ValueError for what no comparison can be made of."""
    if runs < MIN_PAIRS:
        raise ValueError(f"runs: a comparison needs at least {MIN_PAIRS} runs of each recipe, not {runs}")
    if delta is not None and not 0 < delta <= 1:
        raise ValueError(f"delta: a difference of accuracy is more than 0 and at most 100 points, not {100 * delta:g}")


def turns(runs: int, seed: int) -> Iterator[tuple[str, int]]:
    """Which recipe runs with which seed, in order: A B, B A, A B, ..."""
    for i in range(runs):
        for which in "AB" if i % 2 == 0 else "BA":
            yield which, seed + i


def compare_results(a: Sequence[Result], b: Sequence[Result], delta: float | None = None) -> Comparison:
    """Compare runs that are there; pairs have the same seed. Raises ValueError where a seed comes twice."""
    first, second = _by_seed(a), _by_seed(b)
    seeds = tuple(s for s in sorted(first) if s in second)
    few = Comparison(
        a=summarise(a),
        b=summarise(b),
        pairs=seeds,
        accuracy=None,
        valid_acc=None,
        seconds={},
        ratios={},
        delta=delta,
        pairs_needed=None,
    )
    if len(seeds) < MIN_PAIRS:
        return few

    def both(value: Callable[[Result], float]) -> tuple[list[float], list[float]]:
        return [value(first[s]) for s in seeds], [value(second[s]) for s in seeds]

    accuracies = paired(*both(accuracy))
    rows = [(seconds(first[s]), seconds(second[s])) for s in seeds]
    times = {part: ([one[part] for one, _ in rows], [other[part] for _, other in rows]) for part in rows[0][0]}
    return replace(
        few,
        accuracy=accuracies,
        valid_acc=paired(*both(valid_acc)),
        seconds={part: paired(*values) for part, values in times.items()},
        ratios={part: ratio(*values) for part, values in times.items()},
        pairs_needed=None if delta is None else pairs_needed(accuracies.difference.sd, delta),
    )


def _by_seed(results: Sequence[Result]) -> dict[int, Result]:
    found = {result.seed: result for result in results if has_finished(result)}
    if len(found) < sum(map(has_finished, results)):
        raise ValueError("pairs: two runs of one recipe have the same seed")
    return found
