"""Flags that several actions of `fastcifar supernet` have."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from fastcifar.cli.parsing.flags import Name, SpaceName, Switch, absent, found_under, parse_settings
from fastcifar.cli.training.run_flags import ComputeFlags, TrainingFlags

if TYPE_CHECKING:
    from fastcifar.supernet import Limits, Plan
    from fastcifar.train import Recipe


@dataclass(frozen=True, kw_only=True)
class CommonFlags(ComputeFlags):
    """Where the images and the results are, and what is printed."""

    json: Switch = False
    """Print one JSON document."""

    def folder(self, name: str) -> Path:
        """The folder of a supernet: a path, or its id under --out. Raises FileNotFoundError where there is neither."""
        return found_under(self.out, name)


@dataclass(frozen=True, kw_only=True)
class PlanFlags(CommonFlags, TrainingFlags):
    """What decides a supernet."""

    space: SpaceName = None
    """The networks: a search space over widths, depths, kernels and residual pairs, by name (`fastcifar spaces`, e.g.
    supernet) or as a JSON file."""
    recipe: Name = None
    """How they are trained: a named recipe or a JSON file; by default resnet9 on a GPU, resnet9-tiny on a CPU."""
    method: Annotated[str, arg(metavar="{fair,uniform,sandwich,sandwich-labels}")] = "fair"
    """Which networks a step trains: one, so that every value of every choice comes equally often; one, drawn; or the
    full one, which teaches the smallest and two drawn ones (or all learn the labels)."""
    rates: Annotated[str, arg(metavar="{equal,sqrt,inverse}")] = "equal"
    """Learning rates of weights that only some networks have, with uniform and fair: p^-1/2 or 1/p of their chance."""
    seed: Annotated[int, arg(metavar="N")] = 0
    """Decides weights, order, augmentation and which networks are drawn."""

    def plan(self, recipe: "Recipe", vary: tuple[str, ...] = ()) -> "Plan":
        """The plan. Raises ValueError where there is no space, or it is not for a supernet, or a key does nothing."""
        from fastcifar.experiment.objectives.training.space_check import check_space
        from fastcifar.search.spaces.named import find_space
        from fastcifar.supernet import Plan

        if self.space is None:
            raise ValueError("--space: a search space is needed, e.g. --space channels; `fastcifar spaces` lists them")
        _, entries = find_space(self.space)
        plan = Plan(recipe=recipe, space=entries, vary=vary, method=self.method, rates=self.rates, seed=self.seed)
        choices, settings = plan.choices, parse_settings(self.set)
        check_space(choices.of, choices.space, source=self.space, settings=settings, alone=False)
        return plan


@dataclass(frozen=True, kw_only=True)
class LimitFlags:
    """What a network may cost."""

    max_flops: Annotated[float | None, absent("N")] = None
    """Only networks with at most so many FLOPs for one image."""
    max_params: Annotated[float | None, absent("N")] = None
    """Only networks with at most so many parameters."""
    max_seconds: Annotated[float | None, absent("S")] = None
    """Only networks whose training by itself would take at most so long, by its FLOPs and the speed of a
    short training beforehand (in `rank`, of the supernet's)."""

    def limits(self) -> "Limits":
        from fastcifar.supernet import Limits

        given = {"flops": self.max_flops, "parameters": self.max_params, "seconds": self.max_seconds}
        return Limits(**{name: value for name, value in given.items() if value is not None})
