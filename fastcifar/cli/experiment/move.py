"""The actions that take results out, bring them in, and remove them."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from fastcifar.cli.experiment.flags import ID, Action, File, OptionalID, one_or_all, say
from fastcifar.cli.flags import absent


@dataclass(frozen=True, kw_only=True)
class Export(Action):
    """Write all trials as JSON or CSV."""

    id: OptionalID = None
    """Its id, or the beginning of it; not needed where there is only one."""
    format: Annotated[Literal["json", "csv"] | None, absent("json|csv")] = None
    """By default what the file's name says, else json."""
    output: Annotated[Path | None, absent("FILE", "-o")] = None
    """Write to this file instead of stdout."""

    def run(self) -> int:
        from fastcifar.search.experiment.export import to_csv, to_json
        from fastcifar.search.experiment.store import Store

        store = Store.read(self.folder(self.id))
        named = "csv" if self.output is not None and self.output.suffix == ".csv" else "json"
        try:
            text = to_csv(store) if (self.format or named) == "csv" else to_json(store)
        finally:
            store.close()
        if self.output is None:
            sys.stdout.write(text)
        else:
            self.output.write_text(text, encoding="utf-8")
        return 0


@dataclass(frozen=True, kw_only=True)
class Import(Action):
    """Add results from elsewhere as finished trials: a warm start for `resume`."""

    id: ID
    """The experiment's id, or the beginning of it."""
    file: File
    """A JSON list of {"parameter": {...}, "value": x}, as nnictl and we export it, or our CSV."""

    def run(self) -> int:
        from fastcifar.names import counted
        from fastcifar.search.experiment.warm_start import import_trials

        found = import_trials(self.folder(self.id), self.file)
        parts = [counted(found.added, "trial was added", "trials were added")]
        if found.there:
            parts.append(counted(found.there, "was there already", "were there already"))
        if found.others:
            why = "passed over: no finished trial of a search"
            parts.append(counted(found.others, f"was {why}", f"were {why}"))
        say("; ".join(parts))
        return 0


@dataclass(frozen=True, kw_only=True)
class Delete(Action):
    """Remove an experiment with all that is in its folder."""

    id: OptionalID = None
    """Its id, or the beginning of it."""
    all: bool = False
    """All of them."""
    yes: bool = False
    """Do not ask."""

    def run(self) -> int:
        from fastcifar.search.experiment.archive import delete
        from fastcifar.search.experiment.listing import folders
        from fastcifar.search.experiment.store import StoreError, in_use

        one_or_all(self.id, self.all)
        found = folders(self.out) if self.all else [self.folder(self.id)]
        running = [folder.name for folder in found if in_use(folder)]
        if running:
            raise StoreError(f"nothing was deleted: {', '.join(running)} runs")
        if not self.yes and not self._agreed([folder.name for folder in found]):
            say("nothing was deleted")
            return 1
        for folder in found:
            delete(folder)
            say(f"deleted {folder}")
        return 0

    def _agreed(self, names: list[str]) -> bool:
        if not names:
            return True
        if not sys.stdin.isatty():
            raise ValueError("--yes: it is needed where nobody can be asked")
        say(f"delete {', '.join(names)}, for good? [y/N]")
        return sys.stdin.readline().strip().lower() in ("y", "yes")


@dataclass(frozen=True, kw_only=True)
class Save(Action):
    """Pack an experiment into one file."""

    id: ID
    """Its id, or the beginning of it."""
    file: File
    """The .tar.gz to make."""

    def run(self) -> int:
        from fastcifar.search.experiment.archive import save

        save(self.folder(self.id), self.file)
        return 0


@dataclass(frozen=True, kw_only=True)
class Load(Action):
    """Unpack an experiment that was saved."""

    file: File
    """The .tar.gz."""

    def run(self) -> int:
        from fastcifar.search.experiment.archive import load

        print(load(self.file, self.out))
        return 0
