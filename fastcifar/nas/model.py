"""A model class as a space: an instance made by the user is the space, one made for a sample is its network."""

import copy
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from torch import nn

from fastcifar.nas.choices import Choice, Construction, constructing, is_constructing
from fastcifar.search import Params, Space

Class = TypeVar("Class", bound=type)


@dataclass(frozen=True, kw_only=True)
class ModelSpace:
    """The networks that a class with `@model_wrapper` can construct.

    model: the class. args, named: the arguments of its constructor. choices: by label, in the order of the constructor.
    """

    model: type
    args: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, Choice]

    @property
    def entries(self) -> dict[str, Any]:
        """The choices as a search space in NNI's JSON."""
        return {label: {"_type": "choice", "_value": list(one.options)} for label, one in self.choices.items()}

    @property
    def space(self) -> Space:
        """The choices as a search space. Raises SpaceError for options that are no JSON values."""
        return Space.from_dict(self.entries, self.model.__name__)

    def network(self, sample: Params) -> nn.Module:
        """The plain network of a sample. Raises ValueError for a sample that is not in the space."""
        for label in sample:
            if label not in self.choices:
                raise ValueError(f"{label}: {self.model.__name__} has no such choice; it has {', '.join(self.choices)}")
        args, named = copy.deepcopy((self.args, dict(self.named)))  # networks shall not share modules among them
        with constructing(Construction(sample)) as construction:
            network: nn.Module = self.model(*args, **named)
        if construction.choices != self.choices:
            raise ValueError(
                f"{self.model.__name__}: which choices are made depends on another choice, in {sample}; "
                "every choice has to be made in every network"
            )
        return network


class SampleClass:
    """The model class that an evaluator gets: called without arguments, it constructs the network of a sample."""

    def __init__(self, space: ModelSpace, sample: Params) -> None:
        self.space, self.sample = space, sample
        self.__name__ = space.model.__name__
        self._made: list[tuple[nn.Module, int]] = []  # networks, and the `_changes` of each when it was made

    def __call__(self) -> nn.Module:
        network = self.space.network(self.sample)
        self._made.append((network, _changes(network)))
        return network

    @property
    def trained(self) -> nn.Module | None:
        """The last network that was constructed and then changed, else the last constructed; None if there is none."""
        changed = [network for network, before in self._made if _changes(network) != before]
        all_made = [network for network, _ in self._made]
        return (changed or all_made)[-1] if all_made else None


def _changes(network: nn.Module) -> int:
    return sum(parameter._version for parameter in network.parameters())


def model_wrapper(cls: Class) -> Class:
    """Mark a class of modules, whose constructor makes choices, as a space. Returns the class itself."""
    construct = cls.__init__  # type: ignore[misc]

    @functools.wraps(construct)
    def __init__(self: Any, *args: Any, **named: Any) -> None:
        if is_constructing():  # a part of a larger model, or the network of a sample
            construct(self, *args, **named)
            return
        made: type = type(self)
        if made is not cls:
            raise ValueError(f"{made.__name__}: put @model_wrapper on it, too; it is on {cls.__name__} only")
        given: tuple[tuple[Any, ...], dict[str, Any]] = copy.deepcopy((args, named))
        with constructing(Construction()) as construction:
            construct(self, *args, **named)
        self.nas_space = ModelSpace(model=cls, args=given[0], named=given[1], choices=construction.choices)

    cls.__init__ = __init__  # type: ignore[misc]
    return cls


def space_of(model: Any) -> ModelSpace:
    """The space of an instance that the user has made. Raises ValueError for anything else."""
    space = getattr(model, "nas_space", None)
    if not isinstance(space, ModelSpace):
        raise ValueError(
            f"a model space is needed: an instance of a class with @model_wrapper, not {type(model).__name__}"
        )
    if not space.choices:
        raise ValueError(f"{type(model).__name__}: its constructor makes no choice")
    return space
