"""`fastcifar experiment ACTION`: what nnictl does for local experiments."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastcifar.cli.experiment.log import Log
from fastcifar.cli.experiment.look import List, Show, Top, Trials, View
from fastcifar.cli.experiment.move import Delete, Export, Import, Load, Save
from fastcifar.cli.experiment.start import Create, Resume
from fastcifar.cli.experiment.steer import Kill, Stop, Update
from fastcifar.cli.parsing.actions import Command, Group, any_of

__all__ = ["ACTIONS", "Experiments"]

ACTIONS: dict[str, Any] = {
    "create": Create,
    "list": List,
    "show": Show,
    "view": View,
    "top": Top,
    "trials": Trials,
    "log": Log,
    "stop": Stop,
    "resume": Resume,
    "kill": Kill,
    "update": Update,
    "export": Export,
    "import": Import,
    "delete": Delete,
    "save": Save,
    "load": Load,
}

if TYPE_CHECKING:
    AnyAction = Command
else:
    AnyAction = any_of(ACTIONS)


@dataclass(frozen=True, kw_only=True)
class Experiments(Group):
    """Look at experiments, steer them while they run, move their results."""

    action: AnyAction
