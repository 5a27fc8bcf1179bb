"""One trial's command: begun, watched, judged, ended."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from fastcifar.search.experiment.engine import Ended, Event, Report, Trial
from fastcifar.search.experiment.group import Ending, child_setup, record, recorded
from fastcifar.search.experiment.reports import Reports

STDERR_TAIL = 4096  # bytes in which its last line is looked for


class Job:
    """One trial, from the end of an earlier attempt's processes to the end of its own. It advances with `poll`."""

    def __init__(
        self,
        trial: Trial,
        command: str,
        folder: Path,
        variables: Mapping[str, str],
        limit: float | None,
        grace: float,
    ) -> None:
        self._trial, self._command, self._folder, self._variables = trial, command, folder, variables
        self._limit, self._grace = limit, grace
        self._reports = Reports(folder / "reports.jsonl")
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._outcome: Ended | None = None
        earlier = recorded(folder / "pid", f"NNI_SYS_DIR={folder}")
        self._ending = None if earlier is None else Ending(earlier, grace)
        self._begin()

    @property
    def group(self) -> int | None:
        """The process group of its command, once that has begun."""
        return None if self._process is None else self._process.pid

    def poll(self) -> list[Event]:
        """What is new. `Ended` comes last, when nothing of the group is left."""
        events: list[Event] = []
        if self._outcome is None:
            if self._process is None:
                self._begin()
            else:
                events = self._watch(self._process)
        if self._outcome is not None and self._quiet():
            events.append(self._outcome)
        return events

    def end(self, outcome: Ended) -> None:
        """End what runs; `outcome` is what the trial comes to."""
        self._outcome = outcome
        if self._process is not None and self._ending is None:
            self._ending = Ending(self._process.pid, self._grace)

    def _begin(self) -> None:
        """Run the command, as soon as the earlier attempt is gone."""
        if not self._quiet():
            return
        self._ending = None
        try:
            _prepare(self._folder, self._trial)
            self._process = self._spawn()
            with suppress(FileNotFoundError):  # a trial that is quick may have removed its folder
                record(self._folder / "pid", self._process.pid)
        except (OSError, subprocess.SubprocessError) as error:
            self.end(Ended(number=self._trial.number, message=f"the trial could not be started: {error}"))
        self._started = time.monotonic()

    def _spawn(self) -> "subprocess.Popen[bytes]":
        with (self._folder / "stdout").open("wb") as stdout, (self._folder / "stderr").open("wb") as stderr:
            return subprocess.Popen(
                self._command,
                shell=True,
                cwd=self._variables["NNI_CODE_DIR"],
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=child_setup(),
            )

    def _watch(self, process: "subprocess.Popen[bytes]") -> list[Event]:
        code = process.poll()
        values = self._reports.read(ended=code is not None)
        if code is not None:
            self.end(self._judge(code))
        elif self._limit is not None and time.monotonic() - self._started > self._limit:
            message = f"the trial took longer than its limit of {self._limit:g} s"
            self.end(Ended(number=self._trial.number, message=message))
        return [Report(number=self._trial.number, value=value) for value in values]

    def _judge(self, code: int) -> Ended:
        """What a command that has ended by itself comes to."""
        number = self._trial.number
        try:
            result = self._reports.final()
        except (ValueError, OverflowError) as error:
            return Ended(number=number, message=str(error))
        if code != 0:
            return Ended(number=number, message=_how(code, result is not None) + _last_line(self._folder / "stderr"))
        if result is None:
            wrong = f"; {self._reports.wrong}" if self._reports.wrong else ""
            return Ended(number=number, message=f"the command ended without a result{wrong}")
        return Ended(number=number, value=result[0], metrics=result[1])

    def _quiet(self) -> bool:
        """Whether the earlier attempt or, at the end, the trial has left no process."""
        if self._process is not None:
            self._process.poll()  # reaps it
        return self._ending is None or self._ending.done()


def _prepare(folder: Path, trial: Trial) -> None:
    """Empty the folder, and fill it with what the trial reads."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    (folder / "output").mkdir()
    (folder / "parameters.json").write_text(json.dumps(trial.params) + "\n", encoding="utf-8")


def _how(code: int, has_result: bool) -> str:
    """How a command failed, by its `returncode`."""
    how = f"exit code {code}" if code > 0 else f"signal {-code} ({signal.strsignal(-code)})"
    return f"the command ended with {how} {'after its result' if has_result else 'and no result'}"


def _last_line(path: Path) -> str:
    """': ' and the last line of a text that is not blank; '' where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - STDERR_TAIL))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:  # removed by the trial
        return ""
    return f": {lines[-1].strip()}" if lines else ""
