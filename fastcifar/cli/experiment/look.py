"""The actions that look at experiments, running or not."""

from dataclasses import dataclass
from json import dumps
from typing import Annotated

from tyro.conf import arg

from fastcifar.cli.experiment.flags import Action, OptionalID, say
from fastcifar.cli.parsing.flags import absent


@dataclass(frozen=True, kw_only=True)
class List(Action):
    """List all experiments."""

    json: bool = False
    """Print one JSON list."""

    def run(self) -> int:
        from fastcifar.cli.experiment.view import list_text
        from fastcifar.cli.table import json_lines
        from fastcifar.experiment.store.listing import experiments

        found = experiments(self.out)
        if self.json:
            print(json_lines([one.to_dict() for one in found]))
            return 0
        print(list_text(found) if found else f"no experiments in {self.out}")
        for one in found:
            if one.message:
                say(f"{one.id}: {one.message}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Show(Action):
    """Show what an experiment searches, its limits, status and summary."""

    id: OptionalID = None
    """Its id, or the beginning of it; not needed where there is only one."""
    json: bool = False
    """Print one JSON document."""

    def run(self) -> int:
        from fastcifar.cli.experiment.show import show_text
        from fastcifar.cli.experiment.view import document

        shown = document(self.folder(self.id))
        print(dumps(shown, indent=2) if self.json else show_text(shown))
        return 0


@dataclass(frozen=True, kw_only=True)
class View(Action):
    """Show an experiment with its summary and all of its trials."""

    id: OptionalID = None
    """Its id, or the beginning of it; not needed where there is only one."""
    json: bool = False
    """Print one JSON document."""

    def run(self) -> int:
        from fastcifar.cli.experiment.show import show_text
        from fastcifar.cli.experiment.view import document, read, trial_dict, trials_text

        folder = self.folder(self.id)
        shown, (_, rows) = document(folder), read(folder)
        if self.json:
            print(dumps(shown | {"list": [trial_dict(row) for row in rows]}, indent=2))
        else:
            print(f"{show_text(shown)}\n\n{trials_text(rows)}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Top(Action):
    """List the best: what was confirmed with its means, then single trials."""

    id: OptionalID = None
    """Its id, or the beginning of it; not needed where there is only one."""
    n: Annotated[int, arg(metavar="N", aliases=["-n"])] = 10
    """How many."""
    json: bool = False
    """Print one JSON list."""

    def run(self) -> int:
        from fastcifar.cli.experiment.view import best_lines, read, top_text
        from fastcifar.cli.table import json_lines

        if self.n < 1:
            raise ValueError(f"-n: a whole number at least 1 is needed, not {self.n}")
        folder = self.folder(self.id)
        meta, rows = read(folder)
        best = best_lines(folder, meta, rows)[: self.n]
        print(json_lines(best) if self.json else top_text(meta["spec"], best))
        return 0


@dataclass(frozen=True, kw_only=True)
class Trials(Action):
    """List an experiment's trials."""

    id: OptionalID = None
    """Its id, or the beginning of it; not needed where there is only one."""
    state: Annotated[str | None, absent("S")] = None
    """Only those that are running, waiting (for a resume), finished, stopped or failed."""
    sort: Annotated[str, arg(metavar="COL")] = "number"
    """Column to sort by, or a parameter; trials without a value come last."""
    json: bool = False
    """Print one JSON list."""

    def run(self) -> int:
        from fastcifar.cli.experiment.view import read, sorted_by, trial_dict, trials_text
        from fastcifar.cli.table import json_lines
        from fastcifar.experiment.store.listing import STATES
        from fastcifar.names import nearest

        if self.state is not None and self.state not in STATES:
            raise ValueError(f"--state: there is no state {self.state!r}{nearest(self.state, STATES)}")
        _, rows = read(self.folder(self.id))
        rows = sorted_by([row for row in rows if self.state in (None, row.state)], self.sort)
        print(json_lines([trial_dict(row) for row in rows]) if self.json else trials_text(rows))
        return 0
