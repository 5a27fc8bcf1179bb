"""The action that prints what trials have printed."""

from collections.abc import Iterable
from dataclasses import dataclass
from json import dumps
from pathlib import Path

from fastcifar.cli.experiment.flags import Action, OptionalID, say
from fastcifar.cli.parsing.flags import Count


@dataclass(frozen=True, kw_only=True)
class Log(Action):
    """Print what the workers have printed and why trials have failed; or what one trial has printed."""

    id: OptionalID = None
    """Its id, or the beginning of it; not needed where there is only one."""
    trial: Count = None
    """Only this trial: the stdout and stderr of a command, the traceback of a failed function."""
    json: bool = False
    """Print one JSON document."""

    def run(self) -> int:
        folder = self.folder(self.id)
        return self._of_all(folder) if self.trial is None else self._of_trial(folder, self.trial)

    def _of_trial(self, folder: Path, number: int) -> int:
        from fastcifar.cli.experiment.view import trial_dict
        from fastcifar.experiment.engines.command.attempts import latest
        from fastcifar.experiment.store.reader import Reader

        row, _ = Reader(folder).trial(number)
        files = _files(latest(folder / "trials" / str(row.number)), ("stdout", "stderr"))
        traceback = row.metrics.get("traceback")
        if self.json:
            print(dumps({"trial": trial_dict(row), "files": _texts(files), "traceback": traceback}, indent=2))
            return 0
        print(f"trial {row.number} {row.state}" + (f": {row.message}" if row.message else ""))
        shown = _print_files(files)
        if traceback:
            print(traceback.rstrip())
        elif not shown:
            say(f"nothing was kept of this trial; its worker's log is under {folder / 'workers'}")
        return 0

    def _of_all(self, folder: Path) -> int:
        from fastcifar.cli.experiment.view import trial_dict
        from fastcifar.experiment.store.reader import Reader
        from fastcifar.experiment.store.store import FAILED

        files = sorted((folder / "workers").glob("*.log"))
        failed = [row for row in Reader(folder).trials() if row.state == FAILED]
        if self.json:
            print(dumps({"files": _texts(files), "failed": [trial_dict(row) for row in failed]}, indent=2))
            return 0
        shown = _print_files(files)
        for row in failed:
            print(f"trial {row.number} failed: {row.message}")
        if not shown and not failed:
            say("no worker has printed anything, and no trial has failed; --trial shows what a command has printed")
        return 0


def _texts(paths: Iterable[Path]) -> dict[str, str]:
    return {str(path): path.read_text(errors="replace") for path in paths if path.stat().st_size}


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
