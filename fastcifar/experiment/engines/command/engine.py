"""Trials that are a shell command, as in NNI: parameters and results go through files, see `trial_api`."""

import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import fastcifar
from fastcifar.experiment.engines.base import Ended, Event, Needs, Trial
from fastcifar.experiment.engines.command.attempts import following
from fastcifar.experiment.engines.command.process import Job
from fastcifar.experiment.engines.local.resources import Resources
from fastcifar.experiment.engines.processes.keeper import Keeper
from fastcifar.experiment.engines.processes.marks import mark_of, marked, new_mark

POLL_SECONDS = 0.02
PACKAGE = Path(fastcifar.__file__).parent
TRIAL_PATH = (PACKAGE / "nni" / "path", PACKAGE.parent)  # heads a trial's PYTHONPATH


class CommandEngine:
    """Runs each trial as a shell command in its own process group: in bash, or in sh if there is no bash.

    code_directory: the command's working directory. output: the folder that holds the trials' folders.
    limit: seconds per trial; a longer trial fails, unless it has its result. resources: shared by the trials.
    grace: seconds from SIGINT to SIGKILL; processes that a trial leaves behind get SIGTERM instead of SIGINT.
    Each attempt at a trial has its own folder (`attempts`), with parameters.json, reports.jsonl, stdout, stderr,
    output/ and pid. Before it starts, processes of earlier attempts are ended, with the same grace.
    When a trial ends, or the driver is killed, everything that the trial has started ends; on Linux in any session.
    Call `start` in a thread that outlives the trials: on Linux a trial's first process dies with that thread.
    """

    def __init__(
        self,
        command: str,
        code_directory: Path,
        output: Path,
        *,
        limit: float | None = None,
        resources: Resources | None = None,
        grace: float = 5.0,
    ) -> None:
        if not code_directory.is_dir():
            raise ValueError(f"the code directory {code_directory} is no folder")
        self._command = [_shell(), "-c", command]
        self._code, self._output = code_directory.resolve(), output.resolve()
        self._limit, self._resources, self._grace = limit, resources or Resources(), grace
        self._jobs: dict[int, Job] = {}
        self._mark = new_mark()
        self._keeper = Keeper(self._mark)

    def capacity(self, needs: Needs) -> float:
        """How many trials with these needs fit on this machine. Raises GPUError if none does."""
        return self._resources.capacity(needs)

    def start(self, trial: Trial) -> None:
        """Start a trial. Raises ValueError if its folder is not under the output folder."""
        folder = trial.folder.resolve()
        if self._output not in folder.parents:
            raise ValueError(f"the trial's folder {folder} is not under the output folder {self._output}")
        assert trial.number not in self._jobs
        attempt = following(folder)
        inherited = {**os.environ, **self._resources.environment(trial.needs, trial.number, self._jobs)}
        variables = marked(_variables(trial, attempt, self._code, inherited), self._mark, mark_of(folder))
        self._jobs[trial.number] = Job(
            replace(trial, folder=folder), self._command, attempt, variables, self._limit, self._grace, self._keeper
        )
        self._keep()

    def events(self, timeout: float) -> list[Event]:
        """The events since the last call; waits for the first one, at most `timeout` seconds."""
        until = time.monotonic() + timeout
        while True:
            events = [event for job in self._jobs.values() for event in job.poll()]
            for event in events:
                if isinstance(event, Ended):
                    del self._jobs[event.number]
            self._keep()
            left = until - time.monotonic()
            if events or left <= 0:
                return events
            time.sleep(min(POLL_SECONDS, left))

    def go_on(self, number: int) -> None:
        """Does nothing: a command does not wait for a verdict."""

    def stop(self, number: int) -> None:
        """End a trial that still runs, with its children."""
        if number in self._jobs:
            self._jobs[number].end(Ended(number=number, message="stopped"))

    def close(self) -> None:
        """End all running trials, and wait until they have ended."""
        for number in self._jobs:
            self.stop(number)
        while self._jobs:
            self.events(1.0)
        self._keeper.close()

    def _keep(self) -> None:
        self._keeper.keep(job.group for job in self._jobs.values() if job.group is not None)


def _shell() -> str:
    """The shell of commands: bash as in NNI, for `&>`, `[[ ]]`, `source` and `pipefail`."""
    bash = shutil.which("bash")
    if bash is None:
        print("fastcifar: there is no bash on the PATH; trial commands run in /bin/sh", file=sys.stderr, flush=True)
    return bash or "/bin/sh"


def _variables(trial: Trial, folder: Path, code: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """A trial's environment: NNI's variables on top of `inherited`."""
    path = [str(entry) for entry in TRIAL_PATH] + [inherited.get("PYTHONPATH", "")]
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(filter(None, path)),  # an empty entry would be the working directory
        "NNI_PLATFORM": "local",
        "NNI_EXP_ID": trial.experiment,
        "NNI_TRIAL_JOB_ID": trial.id,
        "NNI_TRIAL_SEQ_ID": str(trial.number),
        "NNI_CODE_DIR": str(code),
        "NNI_OUTPUT_DIR": str(folder / "output"),
        "NNI_SYS_DIR": str(folder),
        "FASTCIFAR_SEED": str(trial.seed),
    }
