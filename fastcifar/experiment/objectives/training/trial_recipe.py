"""The recipe of a trial: the search's recipe with the trial's parameters, with numbers of epochs rescaled to it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastcifar.search.spaces.parameter import Parameter, Value, listed
from fastcifar.search.spaces.space import Params, Space
from fastcifar.train import Recipe


@dataclass(frozen=True, kw_only=True)
class TrialRecipes:
    """Makes the recipes of a search's trials.

    epochs: the total_epoch for which the space's numbers of epochs (peak_epoch, sizes) are meant. They are rescaled to
        a recipe with another total_epoch. None keeps the numbers as they are.
    epochs_of_space: whether the space has `total_epoch`. If not, a trial with `total_epoch` is a shortened one, and
        all its numbers of epochs are rescaled.
    """

    recipe: Recipe
    epochs: int | None = None
    epochs_of_space: bool = False

    def __call__(self, params: Params) -> Recipe:
        """The recipe of a trial. Raises RecipeError for invalid parameters."""
        values = dict(flat(params))
        total = values.pop("total_epoch", None)
        if self.epochs_of_space:
            whole = isinstance(total, int) and not isinstance(total, bool)  # anything else is refused by the recipe
            return self.recipe.with_params({**(self._shared(values, total) if whole else values), "total_epoch": total})
        recipe = self.recipe.with_params(self._shared(values, self.recipe.total_epoch))
        return recipe if total is None else recipe.with_params({"total_epoch": total})

    def _shared(self, values: Params, total: int) -> Params:
        if self.epochs is None:
            return values
        return {key: share(key, value, total, self.epochs) for key, value in values.items()}


def share(key: str, value: Value, part: int, whole: int) -> Value:
    """A parameter's value rescaled from `whole` to `part` epochs of training, as in `Recipe.with_params`."""
    name = key.partition(".")[0]
    if name == "sizes" and isinstance(value, Mapping):
        return {side: share(name, epochs, part, whole) for side, epochs in value.items()}
    if part == whole or not isinstance(value, (int, float)) or isinstance(value, bool):
        return value
    if name == "peak_epoch":
        return value * part / whole
    if name == "sizes" and float(value).is_integer():
        return int(value) * part // whole
    return value


def name_of(parameter: Parameter) -> str:
    """The recipe's field, or dotted path into it, that a parameter sets; for a nested parameter the end of its key."""
    return parameter.key if parameter.parent is None else parameter.key.rpartition("/")[2]


def shares_text(space: Space, total: int) -> str | None:
    """A line about the rescaling of the space's numbers of epochs to `total` epochs; None if nothing changes."""
    if space.total_epoch in (None, total):
        return None
    assert space.total_epoch is not None
    lines = []
    for parameter in space.parameters:
        values = ends(parameter)
        shared = [share(name_of(parameter), value, total, space.total_epoch) for value in values]
        if shared != values:
            before, after = _range(parameter, values), _range(parameter, shared)
            lines.append(f"{parameter.key}: {before} of {space.total_epoch} epochs becomes {after} of {total}")
    return "; ".join(lines) or None


def ends(parameter: Parameter) -> list[Value]:
    """The smallest and the largest value; every option of a choice; the mean if there are no bounds."""
    if parameter.kind == "choice":
        return list(parameter.values or ())
    if parameter.gaussian:
        return [parameter.decode(parameter.args[0])]
    if parameter.values is not None:
        return [parameter.values[0], parameter.values[-1]]
    return [parameter.decode(bound) for bound in parameter.bounds]


def _range(parameter: Parameter, values: list[Value]) -> str:
    if not parameter.ordered:
        return listed(values)
    texts = list(dict.fromkeys(f"{value:.4g}" for value in (values[0], values[-1])))
    return ("about " if parameter.gaussian else "") + " to ".join(texts)


def flat(params: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    """The parameters of a trial without nesting: a nested choice becomes the name of its option."""
    for key, value in params.items():
        if isinstance(value, Mapping) and "_name" in value:
            yield key, value["_name"]
            yield from flat({inner: one for inner, one in value.items() if inner != "_name"})
        else:
            yield key, value
