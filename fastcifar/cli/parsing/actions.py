"""Groups of commands: the user chooses one command of a group by name."""

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Annotated, Any, Protocol

from tyro.conf import subcommand


class Command(Protocol):
    """One subcommand: a frozen dataclass of its flags that runs itself, importing its rooms when it is called."""

    @property
    def debug(self) -> bool: ...

    def run(self) -> int: ...


def any_of(commands: dict[str, Any]) -> Any:
    """The type, for tyro, of a choice among `commands` by name."""
    return reduce(or_, (Annotated[kind, subcommand(name, prefix_name=False)] for name, kind in commands.items()))


def with_default(arguments: list[str], group: str, action: str) -> list[str]:
    """The arguments with `action` added after the group's name, unless an action or help is there."""
    if arguments[:1] != [group]:
        return arguments
    rest = arguments[1:]
    named = bool(rest) and (not rest[0].startswith("-") or rest[0] in ("-h", "--help"))
    return arguments if named else [group, action, *rest]


@dataclass(frozen=True, kw_only=True)
class Group:
    """A subcommand with several actions; each subclass lists its actions."""

    action: Command

    @property
    def debug(self) -> bool:
        return self.action.debug

    def run(self) -> int:
        return self.action.run()
