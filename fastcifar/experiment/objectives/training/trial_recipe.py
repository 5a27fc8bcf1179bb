"""The recipe that a trial trains: the search's recipe with the trial's parameters, in epochs of that recipe."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastcifar.search.spaces.parameter import Parameter, Value, listed
from fastcifar.search.spaces.space import Params, Space
from fastcifar.train import Recipe


@dataclass(frozen=True, kw_only=True)
class TrialRecipes:
    """Makes the recipes of a search's trials.

    epochs: the total_epoch that the space's numbers of epochs are for (peak_epoch, sizes); a recipe that is trained for
        more or fewer epochs gets their share of its own. None takes the numbers as they are.
    epochs_of_space: whether `total_epoch` is of the space. Where it is not, a trial that has it is a shorter one, in
        which all that is said in epochs has its share.
    """

    recipe: Recipe
    epochs: int | None = None
    epochs_of_space: bool = False

    def __call__(self, params: Params) -> Recipe:
        """The recipe of a trial. Raises RecipeError for parameters that no recipe can have."""
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
    """What a parameter is where a training has `part` epochs, not `whole`, as in `Recipe.with_params`."""
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
    """The recipe's field that a parameter decides, or a dotted path into it; of a nested one the end of its key."""
    return parameter.key if parameter.parent is None else parameter.key.rpartition("/")[2]


def shares_text(space: Space, total: int) -> str | None:
    """A line that says what becomes of the space's numbers of epochs in a training of `total`; None where they stay."""
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
    """The least and the greatest value; every option of a choice; the mean where there are no bounds."""
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
    """The parameters of a trial without nests: an option of a nested choice is the field's value, by its name."""
    for key, value in params.items():
        if isinstance(value, Mapping) and "_name" in value:
            yield key, value["_name"]
            yield from flat({inner: one for inner, one in value.items() if inner != "_name"})
        else:
            yield key, value
