"""The choices of a search space: which networks it has, and the full network, which contains them all."""

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cached_property, partial, reduce
from typing import Any

import numpy as np

from fastcifar.names import nearest
from fastcifar.net import CHANNELS, EXTRA
from fastcifar.search import Params, Space
from fastcifar.train import Recipe, describe_network

KINDS = {  # the fields of a recipe that a supernet can choose, by the kind of choice
    "width": (*CHANNELS, "extra_widths"),
    "depth": ("extra_layers", "leave_out"),
    "residual": ("res_layers",),
    "kernel": ("ks",),
}
FIELDS = {field: kind for kind, fields in KINDS.items() for field in fields}
ONLY = {"network": "resnet9", "optimizer": "sgd", "averaging": "none", "whiten": 0, "tta": "none", "sizes": {}}


@dataclasses.dataclass(frozen=True)
class Choices:
    """The networks of a space: `recipe` with the parameters of each point.

    A point is what a trial would receive, e.g. {"prep": 32, "layer1": 56, ...}; its keys are fields of FIELDS, or
    dotted paths into them.
    vary: keys, or kinds of keys (width, depth, residual, kernel), that are drawn while training; the others stay at
        their largest value. Empty: all keys are drawn.
    Raises ValueError where a supernet cannot have the space or the recipe.
    """

    recipe: Recipe
    space: Space
    vary: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field, value in ONLY.items():
            if getattr(self.recipe, field) != value:
                raise ValueError(f"{field}: a supernet has {value!r} only, not {getattr(self.recipe, field)!r}")
        for parameter in self.space.parameters:
            if parameter.key.partition(".")[0] not in FIELDS:
                raise ValueError(
                    f"{parameter.key}: networks that share weights differ in {', '.join(FIELDS)} and in nothing else"
                )
            if parameter.parent is not None or parameter.branches is not None:
                raise ValueError(f"{parameter.key}: a supernet takes no nested choices")
            if parameter.values is None:
                raise ValueError(f"{parameter.key}: a supernet needs a list of values, such as a choice or a randint")
            numbers = all(isinstance(value, (int, float)) for value in parameter.values)
            if not numbers and not all(isinstance(value, (list, tuple)) for value in parameter.values):
                raise ValueError(
                    f"{parameter.key}: numbers are needed, or lists; what has parts is chosen by them, as in ks.layer1"
                )
        for name in self.vary:
            if name not in (*KINDS, *self.values):
                raise ValueError(f"--vary: {name!r} is no choice{nearest(name, [*KINDS, *self.values])}")
        if not self.varied:
            raise ValueError(
                f"--vary: of {', '.join(self.vary)} the space, with {', '.join(self.values)}, has no choice"
            )
        for key, values in self.values.items():  # a value that no recipe can have raises here
            for value in values:
                self.of({**self.largest, key: value})
        self._check_blocks()

    @cached_property
    def values(self) -> dict[str, tuple[Any, ...]]:
        """The values of each key, in the order of the space."""
        return {parameter.key: parameter.values or () for parameter in self.space.parameters}

    @cached_property
    def varied(self) -> dict[str, tuple[Any, ...]]:
        """The keys that are drawn while training, with their values."""
        return {
            key: values
            for key, values in self.values.items()
            if not self.vary or key in self.vary or FIELDS[key.partition(".")[0]] in self.vary
        }

    @cached_property
    def largest(self) -> Params:
        """The point with the largest value of each key."""
        return {key: max(values, key=lambda value: size_of(key, value)) for key, values in self.values.items()}

    @cached_property
    def smallest(self) -> Params:
        """The point with the smallest value of each key in `varied`, and the largest of the others."""
        return self.largest | {
            key: min(values, key=lambda value: size_of(key, value)) for key, values in self.varied.items()
        }

    @cached_property
    def full(self) -> Recipe:
        """The recipe of the full network, which contains all others. Where lists differ it need not be in the space."""
        recipes = [self.of({**self.largest, key: value}) for key, values in self.values.items() for value in values]
        fields = {name: [getattr(recipe, name) for recipe in recipes] for name in FIELDS}
        joined = {name: reduce(partial(_join, name), values) for name, values in fields.items()}
        for layer in CHANNELS:
            width = joined[layer]
            for number, name in enumerate(EXTRA):
                # Where a block is missing, the next one takes the output before it, which may be wider than the block.
                path, there = f"{layer}/{name}", number < joined["extra_layers"].get(layer, 0)
                width = max(width, joined["extra_widths"].get(path, 0))
                if path in joined["extra_widths"] or (there and width > joined[layer]):
                    joined["extra_widths"][path] = width
        return dataclasses.replace(self.recipe, **joined)

    def of(self, params: Params) -> Recipe:
        """The recipe of a point. Raises ValueError for one that is not of the space."""
        self.space.check(params)
        return self.recipe.with_params(params)

    def points(self) -> Iterator[Params]:
        """One point for each network, in the order of the space."""
        return (point for point in map(self.space.decode, self.space.points()) if self.counts(point))

    def counts(self, params: Params) -> bool:
        """Whether a point is the one that counts of all points of its network: its idle widths are the largest."""
        return all(params[key] == self.largest[key] for key in self.idle(params))

    def idle(self, params: Params) -> list[str]:
        """The keys that have no effect at a point: widths of extra blocks that are not there."""
        widths = [key for key in self.values if key.startswith("extra_widths.")]
        if not widths:
            return []
        recipe = self.recipe.with_params(params)
        there = {f"{layer}/{name}" for layer, count in recipe.extra_layers.items() for name in EXTRA[:count]}
        there -= set(recipe.leave_out)
        return [key for key in widths if key.partition(".")[2] not in there]

    def draw(self, rng: np.random.Generator) -> Params:
        """A point drawn uniformly from those that are trained."""
        return self.largest | {key: values[rng.integers(len(values))] for key, values in self.varied.items()}

    def _check_blocks(self) -> None:
        """Raise ValueError where a choice leaves out a block that another choice has not put in."""
        keys = [key for key in self.values if key.partition(".")[0] in ("res_layers", "extra_layers")]
        left_out = [{"leave_out": value} for value in self.values.get("leave_out", ())]
        if not left_out and self.recipe.leave_out:
            left_out = [{}]
        for params in [one | {key: value} for one in left_out for key in keys for value in self.values[key]]:
            try:
                describe_network(self.of({**self.largest, **params}), 10)
            except ValueError as error:
                raise ValueError(f"{params} do not go together: {error}") from None


def size_of(key: str, value: Any) -> float:
    """The number by which the values of a key are ordered: a list counts by how much of the network it keeps."""
    if isinstance(value, (list, tuple)):
        return -len(value) if key == "leave_out" else len(value)
    return float(value)


def _join(field: str, a: Any, b: Any) -> Any:
    """The smallest value of a field whose network contains those with `a` and with `b`."""
    if field == "leave_out":
        return tuple(path for path in a if path in b)
    if isinstance(a, tuple):
        return tuple(dict.fromkeys((*a, *b)))
    if field == "ks" and type(a) is not type(b):
        a, b = (value if isinstance(value, Mapping) else dict.fromkeys(CHANNELS, value) for value in (a, b))
    if isinstance(a, Mapping):
        return {key: max(a.get(key, b.get(key)), b.get(key, a.get(key))) for key in (*a, *(k for k in b if k not in a))}
    return max(a, b)
