"""The plan of a supernet: one frozen dataclass, to and from JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fastcifar.names import nearest
from fastcifar.search import Space
from fastcifar.supernet.choices import Choices
from fastcifar.supernet.methods import METHODS
from fastcifar.supernet.rates import POWERS
from fastcifar.train import Recipe


@dataclass(frozen=True, kw_only=True)
class SupernetPlan:
    """A supernet's recipe, space and training. Raises ValueError where they do not fit together.

    recipe: what all networks have in common, and how they are trained; its total_epoch is the supernet's.
    space: the entries of a search space, as in its JSON file. vary: see `Choices`.
    method: which networks a step trains, see `drawn`.
    rates: equal, inverse or sqrt: whether weights that few networks have learn faster, see `activation_rates`.
    seed: decides weights, order, augmentation and the networks that are drawn.
    """

    recipe: Recipe
    space: Mapping[str, Any]
    vary: tuple[str, ...] = ()
    method: str = "fair"
    rates: str = "equal"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"--method: {self.method!r} is not known{nearest(self.method, METHODS)}")
        if self.rates not in POWERS:
            raise ValueError(f"--rates: {self.rates!r} is not known{nearest(self.rates, list(POWERS))}")
        if self.rates != "equal" and self.method.startswith("sandwich"):
            raise ValueError(f"--rates: {self.method} trains every weight at every step, so their rates are equal")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ValueError(f"--seed: a whole number at least 0 is needed, not {self.seed!r}")
        _ = self.choices.full  # says what is wrong with the space

    @cached_property
    def choices(self) -> Choices:
        return Choices(self.recipe, Space.from_dict(self.space), self.vary)

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return {
            "recipe": self.recipe.to_dict(),
            "space": dict(self.space),
            "vary": list(self.vary),
            "method": self.method,
            "rates": self.rates,
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "SupernetPlan":
        """Read what `to_dict` gave; other keys are passed over."""
        return cls(
            recipe=Recipe.from_dict(document["recipe"]),
            space=document["space"],
            vary=tuple(document["vary"]),
            **{name: document[name] for name in ("method", "rates", "seed")},
        )
