"""What would help a comparison that cannot tell."""

from collections.abc import Mapping, Sequence

from fastcifar.statistics import MIN_PAIRS, detectable, pairs_needed
from fastcifar.train.comparing.verdict import Comparison, outcome
from fastcifar.train.recipe.named import named_recipe, recipe_names
from fastcifar.train.result import Result

UNTOLD = ("too_few", "no_spread", "no_difference", "not_worse")  # outcomes that more would help


def advice(comparison: Comparison, results: Mapping[str, Sequence[Result]]) -> list[str]:
    """Sentences, the cheapest help first; empty where the comparison has told what can be told.

    results: the runs of "A" and "B".
    """
    if outcome(comparison) not in UNTOLD:
        return []
    return [*_more_pairs(comparison), *_more_images(results), *_longer_training(results)]


def _more_pairs(comparison: Comparison) -> list[str]:
    accuracy, n = comparison.accuracy, len(comparison.pairs)
    if accuracy is None:
        return [f"more pairs: at least {MIN_PAIRS} that finish are needed"]
    sd = accuracy.difference.sd
    if sd == 0:
        return ["more pairs: these differ by one number, and chance can only be judged from a spread"]
    if comparison.delta is None:
        told = ", ".join(
            f"{count} would tell {100 * detectable(sd, count):.2f} points apart" for count in (4 * n, 16 * n)
        )
        return [f"more pairs: {told} (--delta says how many a difference that matters needs)"]
    needed = pairs_needed(sd, comparison.delta)
    if needed <= n:
        return [f"more pairs: {n} would usually tell {100 * comparison.delta:g} points apart, but these did not"]
    return [
        f"more pairs: {needed:,} would tell {100 * comparison.delta:g} points apart, where the spread stays as it is"
    ]


def _more_images(results: Mapping[str, Sequence[Result]]) -> list[str]:
    few = min(
        (one.dataset["train_images"] for side in results.values() for one in side if one.recipe.train_images),
        default=None,
    )
    if few is None:
        return []
    return [f"all training images: these runs had {few:,}, and the spread of runs shrinks with more"]


def _longer_training(results: Mapping[str, Sequence[Result]]) -> list[str]:
    """Where the recipe was cut short: what was trained less than its namesake is."""
    known = set(recipe_names())
    first = [side[0] for side in results.values() if side]
    for one in first:
        if one.recipe_name in known:
            whole = named_recipe(one.recipe_name).total_epoch
            if one.recipe.total_epoch < whole:
                had = f"{_epochs(one.recipe.total_epoch)} of {one.recipe_name}'s {whole}"
                return [f"longer training: these runs had {had}, and the spread of runs shrinks as they converge"]
    return []


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count} epochs"
