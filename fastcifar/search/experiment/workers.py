"""An engine of warm worker processes on this machine, for evaluators that are Python."""

import multiprocessing
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Protocol

from fastcifar.search.experiment import worker
from fastcifar.search.experiment.engine import Ended, Event, Report, Trial
from fastcifar.search.experiment.evaluator import Evaluator, FunctionEvaluator


class Process(Protocol):
    """What a worker's process can do, however it was made."""

    @property
    def pid(self) -> int | None: ...

    def kill(self) -> None: ...


class Worker:
    """One process and the trial that it runs."""

    def __init__(self, process: Process, connection: Connection) -> None:
        self.process, self.connection = process, connection
        self.trial: Trial | None = None
        self.began = 0.0
        self.waits = False  # for a verdict on its report

    def begin(self, trial: Trial) -> None:
        self.trial, self.began, self.waits = trial, time.monotonic(), False
        with suppress(OSError):  # a worker that has died is told of by its connection's end
            self.connection.send((trial.number, trial.params, trial.seed, trial.confirm))

    def answer(self, go_on: bool) -> None:
        self.waits = False
        with suppress(OSError):
            self.connection.send(go_on)

    def end(self) -> None:
        self.process.kill()
        self.connection.close()
        join = getattr(self.process, "join", None) or self.process.wait  # type: ignore[attr-defined]
        join()


class WorkerEngine:
    """Runs each trial in a worker of its own, which stays for the next; one that dies takes its trial with it.

    log: folder of what the workers print. limit: seconds that a trial may take. environment: added to the workers'.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        log: Path,
        *,
        limit: float | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.evaluator, self.log, self.limit = evaluator, log, limit
        self.environment = dict(environment or {})
        self.workers: list[Worker] = []
        self.pending: list[Event] = []
        self.made = 0

    def start(self, trial: Trial) -> None:
        """Begin a trial, in an idle worker or a new one."""
        idle = next((one for one in self.workers if one.trial is None), None)
        if idle is None:
            idle = self._made()
            self.workers.append(idle)
        idle.begin(trial)

    def events(self, timeout: float) -> list[Event]:
        """Reports and ends since the last call; waits at most `timeout` seconds."""
        events, self.pending = self.pending, []
        if not events:
            until = time.monotonic() + timeout
            while not events:
                left = min(until, *(one.began + self.limit for one in self._busy())) if self.limit else until
                ready = wait([one.connection for one in self.workers], max(0.0, left - time.monotonic()))
                events += [event for one in list(self.workers) if one.connection in ready for event in self._heard(one)]
                events += self._overdue()
                if time.monotonic() >= until:
                    break
        return events

    def go_on(self, number: int) -> None:
        """Let a trial that has reported go on."""
        one = self._of(number)
        if one and one.waits:
            one.answer(True)

    def stop(self, number: int) -> None:
        """End a trial: at its report, if it waits there; else with its process."""
        one = self._of(number)
        if one is None:
            return
        if one.waits:
            one.answer(False)
        else:
            self._discard(one)
            self.pending.append(Ended(number=number, message="stopped"))

    def close(self) -> None:
        """End all workers."""
        for one in self.workers:
            one.end()
        self.workers.clear()

    def _busy(self) -> list[Worker]:
        return [one for one in self.workers if one.trial is not None]

    def _of(self, number: int) -> Worker | None:
        return next((one for one in self._busy() if one.trial and one.trial.number == number), None)

    def _heard(self, one: Worker) -> list[Event]:
        """What a worker's connection has to say; its end is the worker's."""
        try:
            number, kind, content = one.connection.recv()
        except (EOFError, OSError):
            trial = one.trial
            self._discard(one)
            return [Ended(number=trial.number, message=f"the worker process died; see {self.log}")] if trial else []
        if kind == "report":
            one.waits = True
            return [Report(number=number, value=content)]
        one.trial = None
        if kind == "ended":
            return [Ended(number=number, value=content[0], metrics=content[1])]
        message, trace = content
        return [Ended(number=number, message=message, metrics={"traceback": trace} if trace else {})]

    def _overdue(self) -> list[Event]:
        events: list[Event] = []
        for one in self._busy():
            if self.limit is not None and time.monotonic() - one.began >= self.limit and one.trial:
                events.append(Ended(number=one.trial.number, message=f"it took longer than {self.limit:g} s"))
                self._discard(one)
        return events

    def _discard(self, one: Worker) -> None:
        self.workers.remove(one)
        one.end()

    def _made(self) -> Worker:
        """A new process. A function that has no name to be imported by needs a copy of this process."""
        self.log.mkdir(parents=True, exist_ok=True)
        log = str(self.log / f"worker-{self.made}.log")
        self.made += 1
        ours, theirs = Pipe()
        with theirs:
            if isinstance(self.evaluator, FunctionEvaluator) and not self.evaluator.importable:
                inherited = [one.connection for one in self.workers] + [ours]
                context = multiprocessing.get_context("fork")
                arguments = (theirs, inherited, self.evaluator, log, self.environment)
                forked = context.Process(target=_forked, args=arguments, daemon=True)
                forked.start()
                return Worker(forked, ours)
            command = [sys.executable, "-c", f"from {worker.__name__} import main; main()", str(theirs.fileno()), log]
            environment = {**os.environ, **self.environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            # A session of its own: Ctrl-C is for the driver.
            spawned = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment, start_new_session=True)
        with suppress(OSError):
            ours.send([path or str(Path.cwd()) for path in sys.path])
            ours.send_bytes(pickle.dumps(self.evaluator))
        return Worker(spawned, ours)


def _forked(
    connection: Connection, inherited: list[Connection], evaluator: Evaluator, log: str, environment: dict[str, str]
) -> None:
    for other in inherited:  # or the driver's end would not be seen
        other.close()
    os.environ.update(environment)
    worker.settle(log)
    worker.serve(connection, evaluator)
