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
from multiprocessing.process import BaseProcess
from pathlib import Path

from fastcifar.experiment.engines.base import Ended, Event, Needs, Report, Trial
from fastcifar.experiment.engines.local import worker
from fastcifar.experiment.engines.local.copies import cuda_explained
from fastcifar.experiment.engines.local.resources import Resources
from fastcifar.experiment.engines.processes.ends import how_it_ended
from fastcifar.experiment.engines.processes.group import kill_all
from fastcifar.experiment.engines.processes.keeper import Keeper
from fastcifar.experiment.engines.processes.marks import marked, new_mark
from fastcifar.experiment.objectives.base import Evaluator, FunctionEvaluator


class Worker:
    """One process and its current trial. needs: its resources. mark: the one in its environment."""

    def __init__(
        self,
        number: int,
        needs: Needs,
        process: "subprocess.Popen[bytes] | BaseProcess",
        connection: Connection,
        log: str,
        mark: str,
    ) -> None:
        self.number, self.needs, self.process, self.connection = number, needs, process, connection
        self.log, self.mark = log, mark
        self.trial: Trial | None = None
        self.began = 0.0
        self.waits = False  # for a verdict on its report
        self.stopped = False  # its trial is being ended, and its messages no longer count

    @property
    def idle(self) -> bool:
        """Whether it can take a trial. A message from an idle worker means that it has died."""
        return self.trial is None and not self.connection.poll()

    @property
    def code(self) -> int | None:
        """The exit code of the process, or its signal as a negative number; None while it lives."""
        return self.process.poll() if isinstance(self.process, subprocess.Popen) else self.process.exitcode

    def begin(self, trial: Trial) -> None:
        self.trial, self.began, self.waits, self.stopped = trial, time.monotonic(), False, False
        with suppress(OSError):  # the end of its connection reports a worker that has died
            self.connection.send((trial.number, trial.params, trial.seed, trial.confirm))

    def answer(self, go_on: bool) -> None:
        self.waits = False
        with suppress(OSError):
            self.connection.send(go_on)

    def end(self) -> None:
        """End the process and everything that it has started."""
        kill_all(self.process.pid, [self.mark])
        self.process.kill()  # it has no group yet, where it has just begun
        self.connection.close()
        self.process.wait() if isinstance(self.process, subprocess.Popen) else self.process.join()


class WorkerEngine:
    """Runs each trial in a worker process, which then takes another one. A worker that dies fails its trial.

    log: folder of the workers' output. limit: seconds per trial. environment: added to the workers'.
    resources: shared by the workers; each keeps its threads and GPUs as long as it lives.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        log: Path,
        *,
        limit: float | None = None,
        environment: Mapping[str, str] | None = None,
        resources: Resources | None = None,
    ) -> None:
        self.evaluator, self.log, self.limit = evaluator, log, limit
        self.environment, self.resources = dict(environment or {}), resources or Resources()
        self.workers: list[Worker] = []
        self.pending: list[Event] = []
        self.made = 0
        self.mark = new_mark()
        self.keeper = Keeper(self.mark)

    def capacity(self, needs: Needs) -> float:
        """How many workers with these needs fit on this machine. Raises GPUError if none does."""
        return self.resources.capacity(needs)

    def start(self, trial: Trial) -> None:
        """Start a trial in an idle worker with the needed resources, or in a new one."""
        idle = next((one for one in self.workers if one.needs == trial.needs and one.idle), None)
        if idle is None:
            idle = self._made(trial.needs)
            self.workers.append(idle)
            self._keep()
        idle.begin(trial)

    def events(self, timeout: float) -> list[Event]:
        """Reports and ends since the last call; waits at most `timeout` seconds."""
        events, self.pending = self.pending, []
        if not events:
            until = time.monotonic() + timeout
            while not events:
                ends = [one.began + self.limit for one in self._busy()] if self.limit else []
                ready = wait([one.connection for one in self.workers], max(0.0, min([until, *ends]) - time.monotonic()))
                events += [event for one in list(self.workers) if one.connection in ready for event in self._heard(one)]
                events += self._lost() + self._overdue()
                if time.monotonic() >= until:
                    break
        return events

    def go_on(self, number: int) -> None:
        """Continue a trial that waits after its report."""
        one = self._of(number)
        if one and one.waits:
            one.answer(True)

    def stop(self, number: int) -> None:
        """End a trial: at its report, if it waits there; otherwise with its process."""
        one = self._of(number)
        if one is None:
            return
        if one.waits:
            one.stopped = True
            one.answer(False)
        else:
            self._discard(one)
            self.pending.append(Ended(number=number, message="stopped"))

    def close(self) -> None:
        """End all workers."""
        for one in self.workers:
            one.end()
        self.workers.clear()
        self.keeper.close()

    def _keep(self) -> None:
        self.keeper.keep(one.process.pid for one in self.workers if one.process.pid is not None)

    def _busy(self) -> list[Worker]:
        return [one for one in self.workers if one.trial is not None]

    def _of(self, number: int) -> Worker | None:
        return next((one for one in self._busy() if one.trial and one.trial.number == number), None)

    def _heard(self, one: Worker) -> list[Event]:
        """The events from a worker's connection; the end of the connection is the worker's end."""
        try:
            number, kind, content = one.connection.recv()
        except (EOFError, OSError):
            return self._died(one)
        if one.trial is None or one.trial.number != number:
            return []
        if kind == "report":
            one.waits = True
            if not one.stopped:
                return [Report(number=number, value=content)]
            one.answer(False)  # it would not end at an earlier one
            return []
        one.trial = None
        if one.stopped:
            return [Ended(number=number, message="stopped")]
        if kind == "ended":
            return [Ended(number=number, value=content[0], metrics=content[1], message=content[2])]
        message, trace = content
        return [Ended(number=number, message=message, metrics={"traceback": trace} if trace else {})]

    def _lost(self) -> list[Event]:
        """Events of workers that have died while one of their children holds the connection open."""
        lost = [one for one in self._busy() if one.code is not None and not one.connection.poll()]
        return [event for one in lost for event in self._died(one)]

    def _died(self, one: Worker) -> list[Event]:
        self._discard(one)
        if one.trial is None:
            return []
        message = "stopped" if one.stopped else f"the worker died: {how_it_ended(one.code or 0)}; see {one.log}"
        return [Ended(number=one.trial.number, message=message)]

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
        self._keep()

    def _made(self, needs: Needs) -> Worker:
        """A new process. A function that cannot be imported by name needs a copy of this process."""
        self.log.mkdir(parents=True, exist_ok=True)
        number = self.made
        self.made += 1
        log = str(self.log / f"worker-{number}.log")
        mark = new_mark()
        given = self.resources.environment(needs, number, [one.number for one in self.workers])
        environment = marked({**os.environ, **self.environment, **given}, self.mark, mark)
        pipe = self.keeper.begin()
        ours, theirs = Pipe()
        with theirs:
            if isinstance(self.evaluator, FunctionEvaluator) and not self.evaluator.importable:
                inherited = [*(one.connection for one in self.workers), ours]
                context = multiprocessing.get_context("fork")
                arguments = (theirs, inherited, self.evaluator, log, environment, os.getpid(), pipe)
                forked = context.Process(target=_forked, args=arguments, daemon=True)
                forked.start()
                return Worker(number, needs, forked, ours, log, mark)
            pickled = pickle.dumps(self.evaluator)
            # No PYTHONPATH: programs that a trial runs may use another Python.
            code = f"import sys; sys.path[:] = sys.argv[5:]; from {worker.__name__} import main; main()"
            path = [str(entry) or str(Path.cwd()) for entry in sys.path]
            command = [sys.executable, "-c", code, str(theirs.fileno()), log, str(os.getpid()), str(pipe), *path]
            # A session of its own: Ctrl-C is for the driver.
            pipes = [theirs.fileno(), pipe]
            spawned = subprocess.Popen(command, pass_fds=pipes, env=environment, start_new_session=True)
        with suppress(OSError):
            ours.send_bytes(pickled)
        return Worker(number, needs, spawned, ours, log, mark)


def _forked(
    connection: Connection,
    inherited: list[Connection],
    evaluator: Evaluator,
    log: str,
    environment: dict[str, str],
    driver: int,
    pipe: int,
) -> None:
    os.setsid()  # as where one is spawned
    for other in inherited:  # or the driver's end would not be seen
        other.close()
    os.environ.update(environment)
    worker.settle(log, driver, pipe)
    multiprocessing.current_process().daemon = False  # it may have children
    if "torch" in sys.modules:  # a copy has none of its threads, and would wait for them
        sys.modules["torch"].set_num_threads(1)
    worker.serve(connection, cuda_explained(evaluator))
