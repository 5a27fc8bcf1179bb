"""`fastcifar supernet ACTION`: many networks in one set of weights."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastcifar.cli.parsing.actions import Command, Group, any_of
from fastcifar.cli.supernet.export import Export
from fastcifar.cli.supernet.rank import Rank
from fastcifar.cli.supernet.search import Search
from fastcifar.cli.supernet.train import Train

__all__ = ["ACTIONS", "Supernets"]

ACTIONS: dict[str, Any] = {"train": Train, "rank": Rank, "search": Search, "export": Export}

if TYPE_CHECKING:
    AnyAction = Command
else:
    AnyAction = any_of(ACTIONS)


@dataclass(frozen=True, kw_only=True)
class Supernets(Group):
    """Train many networks in one set of weights, rank them, search them, take one out."""

    action: AnyAction
