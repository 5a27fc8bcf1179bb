"""One trial's command: start, watch, judge, end."""

import json
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from fastcifar.experiment.engines.base import Ended, Event, Report, Trial
from fastcifar.experiment.engines.command import attempts
from fastcifar.experiment.engines.command.report_file import Reports
from fastcifar.experiment.engines.processes.ends import how_it_ended
from fastcifar.experiment.engines.processes.group import Ending, child_setup, record, recorded, started
from fastcifar.experiment.engines.processes.keeper import Keeper
from fastcifar.experiment.engines.processes.marks import mark_of

STDERR_TAIL = 4096  # bytes in which its last line is looked for


class Job:
    """One trial, from ending an earlier attempt's processes to the end of its own. `poll` advances it.

    command: the program and its arguments. folder: of this attempt; it does not exist yet.
    variables: the environment, including the trial's mark.
    """

    def __init__(
        self,
        trial: Trial,
        command: Sequence[str],
        folder: Path,
        variables: Mapping[str, str],
        limit: float | None,
        grace: float,
        keeper: Keeper,
    ) -> None:
        self._trial, self._command, self._folder, self._variables = trial, command, folder, variables
        self._limit, self._grace, self._keeper = limit, grace, keeper
        self._reports = Reports(folder / "reports.jsonl")
        self._process: subprocess.Popen[bytes] | None = None
        self._started, self._since = 0.0, 0
        self._outcome: Ended | None = None
        self._ending: Ending | None = None
        self._marks = [mark_of(trial.folder)]
        self._earlier = attempts.attempts(trial.folder)
        if self._earlier:
            last = self._earlier[-1]
            # Processes that an older version started have no mark, but this.
            self._ending = Ending(recorded(last / "pid"), grace, [*self._marks, f"NNI_SYS_DIR={last}\0"])
        self._begin()

    @property
    def group(self) -> int | None:
        """The process group of its command, from its start until it is empty."""
        if self._process is None:
            return None
        return self._process.pid if self._ending is None else self._ending.group

    def poll(self) -> list[Event]:
        """New events. `Ended` comes last, when no process of the trial remains."""
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
        """End the command, as Ctrl-C does; `outcome` becomes the trial's end."""
        self._end(outcome, signal.SIGINT)

    def _end(self, outcome: Ended, number: signal.Signals) -> None:
        self._outcome = outcome
        if self._process is not None and self._ending is None:
            self._ending = Ending(self._process.pid, self._grace, self._marks, self._since, number)

    def _begin(self) -> None:
        """Run the command once the earlier attempt's processes have ended."""
        if not self._quiet():
            return
        self._ending = None
        try:
            attempts.begin(self._folder, self._earlier)
            parameters = json.dumps(self._trial.params) + "\n"
            (self._folder / "parameters.json").write_text(parameters, encoding="utf-8")
            self._process = self._spawn()
            self._since = started(self._process.pid)
            with suppress(FileNotFoundError):  # a trial that is quick may have removed its folder
                record(self._folder / "pid", self._process.pid)
        except (OSError, subprocess.SubprocessError) as error:
            self.end(Ended(number=self._trial.number, message=f"the trial could not be started: {error}"))
        self._started = time.monotonic()

    def _spawn(self) -> "subprocess.Popen[bytes]":
        with (self._folder / "stdout").open("wb") as stdout, (self._folder / "stderr").open("wb") as stderr:
            return subprocess.Popen(
                self._command,
                cwd=self._variables["NNI_CODE_DIR"],
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=child_setup(self._keeper.begin()),
            )

    def _watch(self, process: "subprocess.Popen[bytes]") -> list[Event]:
        code = process.poll()
        values = self._reports.read(ended=code is not None)
        if self._reports.excess:
            self.end(Ended(number=self._trial.number, message=self._reports.excess))
        elif code is not None:
            if not self._reports.more:
                # Remaining processes may ignore SIGINT, as a shell's background processes do.
                self._end(self._judge(_how(code), " and no result"), signal.SIGTERM)
        elif self._limit is not None and time.monotonic() - self._started > self._limit:
            self.end(self._judge(f"the trial took longer than its limit of {self._limit:g} s"))
        return [Report(number=self._trial.number, value=value) for value in values]

    def _judge(self, failure: str, without: str = "") -> Ended:
        """The end of a command that has ended, or that a `failure` ends ('' is none): its result, if it has one.

        without: added to the message if there is no result.
        """
        number = self._trial.number
        try:
            result = self._reports.final()
        except (ValueError, OverflowError) as error:
            return Ended(number=number, message=str(error))
        if failure:
            failure += (without if result is None else " after its result") + _last_line(self._folder / "stderr")
        if result is not None:
            return Ended(number=number, value=result[0], metrics=result[1], message=failure)
        wrong = f"; {self._reports.wrong}" if self._reports.wrong else ""
        return Ended(number=number, message=failure or f"the command ended without a result{wrong}")

    def _quiet(self) -> bool:
        """Whether no process of the earlier attempt or, at the end, of the trial remains."""
        if self._process is not None:
            self._process.poll()  # reaps it
        return self._ending is None or self._ending.done()


def _how(code: int) -> str:
    """How a command failed, by its `returncode`; '' if it did not."""
    return f"the command ended with {how_it_ended(code)}" if code else ""


def _last_line(path: Path) -> str:
    """': ' and the last non-blank line of a file; '' if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - STDERR_TAIL))
            lines = file.read(STDERR_TAIL).decode(errors="replace").strip().splitlines()
    except OSError:  # removed by the trial
        return ""
    return f": {lines[-1].strip()}" if lines else ""
