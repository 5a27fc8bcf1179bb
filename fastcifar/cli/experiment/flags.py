"""What the actions have in common."""

import sys
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from fastcifar.cli.parsing.flags import absent
from fastcifar.cli.training.run_flags import PlaceFlags

ID = Positional[Annotated[str, arg(metavar="ID")]]
OptionalID = Positional[Annotated[str | None, absent("[ID]")]]
File = Positional[Annotated[Path, arg(metavar="FILE")]]


@dataclass(frozen=True, kw_only=True)
class Action(PlaceFlags):
    """An action on experiments."""

    def run(self) -> int:
        raise NotImplementedError

    def folder(self, name: str | None) -> Path:
        """The folder of an experiment by its id, or a unique beginning of it; None is the only one there is."""
        from fastcifar.experiment.store.folders import find_folder
        from fastcifar.experiment.store.listing import folders
        from fastcifar.experiment.store.store import StoreError

        if name is not None:
            return find_folder(self.out, name)
        found = folders(self.out)
        if not found:
            raise StoreError(f"there is no experiment under {self.out}")
        if len(found) > 1:
            raise ValueError(f"an ID is needed, there are {len(found)} experiments under {self.out}")
        return found[0]


@dataclass(frozen=True, kw_only=True)
class Telling(Action):
    """An action that says in one line what it has done."""

    json: bool = False
    """Print what was done as one JSON document on stdout."""

    def tell(self, text: str, done: Any) -> None:
        """Say what was done, as text on stderr or as JSON on stdout."""
        if self.json:
            print(dumps(done, indent=2))
        else:
            say(text)


def say(text: str) -> None:
    """A message, which is no result."""
    print(text, file=sys.stderr, flush=True)


def one_or_all(name: str | None, all_of_them: bool) -> None:
    """Raise ValueError unless either an id or --all is given."""
    if (name is None) != all_of_them:
        raise ValueError(
            "an ID or --all is needed" if name is None else f"{name} and --all: only one of them can be had"
        )
