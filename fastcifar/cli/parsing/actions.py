"""Commands that are chosen by name from several."""

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
    """The type, for tyro, of what is one of `commands`, by name."""
    return reduce(or_, (Annotated[kind, subcommand(name, prefix_name=False)] for name, kind in commands.items()))


def with_default(arguments: list[str], group: str, action: str) -> list[str]:
    """The arguments with `action` after the name of the group, where no action is named there and no help asked for."""
    if arguments[:1] != [group]:
        return arguments
    rest = arguments[1:]
    named = bool(rest) and (not rest[0].startswith("-") or rest[0] in ("-h", "--help"))
    return arguments if named else [group, action, *rest]


@dataclass(frozen=True, kw_only=True)
class Group:
    """A subcommand that is one of several actions; each group says of which."""

    action: Command

    @property
    def debug(self) -> bool:
        return self.action.debug

    def run(self) -> int:
        return self.action.run()
