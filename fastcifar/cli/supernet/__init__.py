"""`fastcifar supernet ACTION`: many networks in one set of weights."""

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import subcommand

from fastcifar.cli.supernet.export import Export
from fastcifar.cli.supernet.flags import Action
from fastcifar.cli.supernet.rank import Rank
from fastcifar.cli.supernet.search import Search
from fastcifar.cli.supernet.train import Train

__all__ = ["ACTIONS", "Supernets"]

ACTIONS: dict[str, Any] = {"train": Train, "rank": Rank, "search": Search, "export": Export}

if TYPE_CHECKING:
    AnyAction = Action
else:
    AnyAction = reduce(or_, (Annotated[kind, subcommand(name, prefix_name=False)] for name, kind in ACTIONS.items()))


@dataclass(frozen=True, kw_only=True)
class Supernets:
    """Train many networks in one set of weights, rank them, search them, take one out."""

    action: AnyAction

    @property
    def debug(self) -> bool:
        return self.action.debug

    def run(self) -> int:
        return self.action.run()
