"""The action that prints what trials have printed."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fastcifar.cli.experiment.flags import Action, OptionalID, say
from fastcifar.cli.flags import Count


@dataclass(frozen=True, kw_only=True)
class Log(Action):
    """Print what the workers have printed and why trials have failed; or what one trial has printed."""

    id: OptionalID = None
    """Its id, or the beginning of it; not needed where there is only one."""
    trial: Count = None
    """Only this trial: the stdout and stderr of a command, the traceback of a failed function."""

    def run(self) -> int:
        from fastcifar.cli.experiment.view import read
        from fastcifar.search.experiment.attempts import latest
        from fastcifar.search.experiment.control import trial
        from fastcifar.search.experiment.listing import as_seen
        from fastcifar.search.experiment.store import FAILED

        folder = self.folder(self.id)
        if self.trial is not None:
            (row,) = as_seen(folder, [trial(folder, self.trial)])
            print(f"trial {row.number} {row.state}" + (f": {row.message}" if row.message else ""))
            shown = _print_files(_files(latest(folder / "trials" / str(row.number)), ("stdout", "stderr")))
            if row.metrics.get("traceback"):
                print(row.metrics["traceback"].rstrip())
            elif not shown:
                say(f"nothing was kept of this trial; its worker's log is under {folder / 'workers'}")
            return 0
        shown = _print_files(sorted((folder / "workers").glob("*.log")))
        failed = [row for row in read(folder)[1] if row.state == FAILED]
        for row in failed:
            print(f"trial {row.number} failed: {row.message}")
        if not shown and not failed:
            say("no worker has printed anything, and no trial has failed; --trial shows what a command has printed")
        return 0


def _files(folder: Path, names: Iterable[str]) -> list[Path]:
    return [folder / name for name in names if (folder / name).is_file()]


def _print_files(paths: Iterable[Path]) -> bool:
    """Print each file that is not empty under its path; return whether there was one."""
    found = [path for path in paths if path.stat().st_size]
    for path in found:
        print(f"==> {path} <==")
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                print(line.rstrip("\n"))
    return bool(found)
