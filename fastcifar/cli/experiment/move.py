"""The actions that take results out, bring them in, and remove them."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from fastcifar.cli.experiment.flags import ID, Action, File, OptionalID, Telling, one_or_all, say
from fastcifar.cli.parsing.flags import absent


@dataclass(frozen=True, kw_only=True)
class Export(Action):
    """Write all trials as JSON or CSV."""

    id: OptionalID = None
    """Its id, or the beginning of it; not needed where there is only one."""
    format: Annotated[Literal["json", "csv"] | None, absent("json|csv")] = None
    """By default what the file's name ends in, else json."""
    output: Annotated[Path | None, absent("FILE", "-o")] = None
    """Write to this file instead of stdout."""
    force: bool = False
    """Replace the file where it is there."""
    safe_csv: bool = False
    """In CSV, put ' before text that a spreadsheet would take for a formula."""

    def run(self) -> int:
        from fastcifar.experiment.exchange.export import format_of, to_csv, to_json
        from fastcifar.experiment.store.reader import Reader
        from fastcifar.making import may_write, write_text
        from fastcifar.names import counted

        kind = self.format or "json" if self.output is None else format_of(self.output, self.format)
        if self.safe_csv and kind != "csv":
            raise ValueError(f"--safe-csv: the format is {kind}; it is for csv")
        if self.output is not None:
            may_write(self.output, self.force)
        reader = Reader(self.folder(self.id))
        rows = reader.trials()
        text = to_csv(rows, self.safe_csv) if kind == "csv" else to_json(rows, reader.reports())
        if self.output is None:
            sys.stdout.write(text)
        else:
            write_text(self.output, text)
            say(f"wrote {counted(len(rows), 'trial')} to {self.output}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Import(Telling):
    """Add results from elsewhere as finished trials: a warm start for `resume`."""

    id: ID
    """The experiment's id, or the beginning of it."""
    file: File
    """A JSON list of {"parameter": {...}, "value": x}, as nnictl and we export it, or our CSV."""

    def run(self) -> int:
        from fastcifar.experiment.exchange.importing import import_trials
        from fastcifar.names import counted

        folder = self.folder(self.id)
        found = import_trials(folder, self.file)
        parts = [counted(found.added, "trial was added", "trials were added")]
        if found.there:
            parts.append(counted(found.there, "was there already", "were there already"))
        if found.others:
            why = "passed over: no finished trial of a search"
            parts.append(counted(found.others, f"was {why}", f"were {why}"))
        self.tell("; ".join(parts), {"id": folder.name, **asdict(found)})
        return 0


@dataclass(frozen=True, kw_only=True)
class Delete(Telling):
    """Remove an experiment with all that is in its folder."""

    id: OptionalID = None
    """Its id, or the beginning of it."""
    all: bool = False
    """All of them."""
    yes: bool = False
    """Do not ask."""

    def run(self) -> int:
        from fastcifar.experiment.store.archive import delete
        from fastcifar.experiment.store.listing import folders
        from fastcifar.experiment.store.store import StoreError
        from fastcifar.lock import in_use

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
        self.tell("\n".join(f"deleted {folder}" for folder in found), {"deleted": [str(folder) for folder in found]})
        return 0

    def _agreed(self, names: list[str]) -> bool:
        if not names:
            return True
        if not sys.stdin.isatty():
            raise ValueError("--yes: it is needed where nobody can be asked")
        say(f"delete {', '.join(names)}, for good? [y/N]")
        return sys.stdin.readline().strip().lower() in ("y", "yes")


@dataclass(frozen=True, kw_only=True)
class Save(Telling):
    """Pack an experiment into one file."""

    id: ID
    """Its id, or the beginning of it."""
    file: File
    """The .tar.gz to make."""
    force: bool = False
    """Replace the file where it is there."""

    def run(self) -> int:
        from fastcifar.experiment.store.archive import save

        folder = self.folder(self.id)
        save(folder, self.file, self.force)
        size = self.file.stat().st_size
        done = {"id": folder.resolve().name, "file": str(self.file), "bytes": size}
        self.tell(f"saved {done['id']} to {self.file} ({size:,} bytes)", done)
        return 0


@dataclass(frozen=True, kw_only=True)
class Load(Telling):
    """Unpack an experiment that was saved."""

    file: File
    """The .tar.gz."""

    def run(self) -> int:
        from fastcifar.experiment.store.archive import load
        from fastcifar.experiment.store.reader import Reader
        from fastcifar.experiment.store.trust import would_run

        folder = load(self.file, self.out)
        runs = would_run(Reader(folder).spec())
        if not self.json:
            print(folder)
        warning = f"; it runs {'; '.join(runs)}, which resume does with --trust only" if runs else ""
        done = {"id": folder.name, "path": str(folder), "runs": runs}
        self.tell(f"loaded {folder.name} from {self.file}{warning}", done)
        return 0
