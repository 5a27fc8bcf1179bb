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


@dataclass(frozen=True, kw_only=True)
class Group:
    """A subcommand that is one of several actions; each group says of which."""

    action: Command

    @property
    def debug(self) -> bool:
        return self.action.debug

    def run(self) -> int:
        return self.action.run()
