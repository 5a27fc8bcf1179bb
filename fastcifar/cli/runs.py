"""`fastcifar runs`: what has been run. Nothing here waits for torch."""

import sys
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from fastcifar.cli.parsing.actions import Command, Group, any_of

ID = Positional[Annotated[str, arg(metavar="ID")]]


@dataclass(frozen=True, kw_only=True)
class Action:
    """An action on runs."""

    out: Annotated[Path, arg(metavar="DIR")] = Path("runs")
    """Where the runs' folders are."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class List(Action):
    """List all runs and supernets; `fastcifar runs` without an action does this.

    A table that is too wide for the terminal loses columns; --json has all of them.
    """

    sort: Annotated[str, arg(metavar="COL")] = "id"
    """Column to sort by, as --json calls it; the ids begin with the date."""
    json: bool = False
    """Print the table as one JSON list."""

    def run(self) -> int:
        from fastcifar.cli.runs_text import list_text
        from fastcifar.train.record.listing import UNREADABLE, overviews

        found = overviews(self.out, self.sort)
        if self.json:
            print(dumps([one.to_dict() for one in found], indent=2))
        else:
            print(list_text(found) if found else f"no runs in {self.out}")
        for one in found:
            if one.status == UNREADABLE:
                print(f"fastcifar: {one.message}", file=sys.stderr)
        return 0


@dataclass(frozen=True, kw_only=True)
class Show(Action):
    """Show one run: its recipe, its table of epochs, what it was made with."""

    id: ID
    """Its id, the beginning of it, or its folder."""
    json: bool = False
    """Print the record as one JSON document."""

    def run(self) -> int:
        from fastcifar.cli.runs_text import document, show_text
        from fastcifar.train.record.listing import find

        path, kind = find(self.out, self.id)
        print(dumps(document(path, kind), indent=2) if self.json else show_text(path, kind))
        return 0


@dataclass(frozen=True, kw_only=True)
class Delete(Action):
    """Remove runs with all that is in their folders."""

    ids: Positional[Annotated[tuple[str, ...], arg(metavar="ID ...")]]
    """Their ids, the beginnings of them, or their folders."""
    yes: bool = False
    """Do not ask."""

    def run(self) -> int:
        from fastcifar.train.record.folder import Folder, RecordError
        from fastcifar.train.record.listing import find

        if not self.ids:
            raise ValueError("an ID is needed; `fastcifar runs` lists them")
        paths = list(dict.fromkeys(find(self.out, id)[0] for id in self.ids))
        used = [path.name for path in paths if Folder(path).in_use()]
        if used:
            raise RecordError(f"nothing was deleted: a process is at work on {', '.join(used)}")
        if not self.yes and not _agreed([path.name for path in paths]):
            print("nothing was deleted", file=sys.stderr)
            return 1
        for path in paths:
            Folder(path).delete()
            print(f"deleted {path}", file=sys.stderr, flush=True)
        return 0


@dataclass(frozen=True, kw_only=True)
class Note(Action):
    """Write a note on a run, in place of the old one; without TEXT print it."""

    id: ID
    """Its id, the beginning of it, or its folder."""
    text: Positional[Annotated[tuple[str, ...], arg(metavar="[TEXT ...]", help_behavior_hint="")]] = ()
    """The note; "" removes it."""

    def run(self) -> int:
        from fastcifar.train.record.listing import find, read_note, write_note

        path, _ = find(self.out, self.id)
        if self.text:
            write_note(path, " ".join(self.text))
        else:
            print(read_note(path) or "no note")
        return 0


def _agreed(names: list[str]) -> bool:
    if not sys.stdin.isatty():
        raise ValueError("--yes: it is needed where nobody can be asked")
    print(f"delete {', '.join(names)}, for good? [y/N]", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


ACTIONS: dict[str, Any] = {"list": List, "show": Show, "delete": Delete, "note": Note}

if TYPE_CHECKING:
    AnyAction = Command
else:
    AnyAction = any_of(ACTIONS)


@dataclass(frozen=True, kw_only=True)
class Runs(Group):
    """List what has been run (without an action), show, delete or note one run."""

    action: AnyAction
