"""A worker process: it loads the evaluator once, and runs one trial after another."""

import faulthandler
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from fastcifar.experiment.engines.base import result_of
from fastcifar.experiment.engines.processes.ends import death_with_parent
from fastcifar.experiment.engines.processes.keeper import announce
from fastcifar.experiment.gate import end_of, metrics_of, text
from fastcifar.experiment.objectives.base import Evaluator, Reporter, TrialStopped
from fastcifar.names import short


class DriverGone(BaseException):
    """The other end of the connection is closed."""


def serve(connection: Connection, evaluator: Evaluator) -> None:
    """Run the trials that come through the connection until it is closed.

    In: (number, params, seed, confirm); after each report True to go on, False to stop.
    Out: (number, "report", value), (number, "ended", (value, metrics, message)),
    (number, "failed", (message, traceback)).
    """
    with suppress(DriverGone):
        while True:
            with _driver_there():
                number, params, seed, confirm = connection.recv()
            outcome = _run(connection, evaluator, number, params, seed, confirm)
            with _driver_there():
                connection.send((number, *outcome))


def _run(
    connection: Connection, evaluator: Evaluator, number: int, params: dict[str, Any], seed: int, confirm: bool
) -> tuple[str, Any]:
    turn = threading.Lock()  # a function may report from a thread of its own
    over = False

    def report(value: float) -> None:
        value = _reported(value)
        with turn:
            if over:
                raise RuntimeError("report: the trial has ended")
            with _driver_there():
                connection.send((number, "report", value))
                go_on = connection.recv()
        if not go_on:
            raise TrialStopped

    os.environ["NNI_TRIAL_SEQ_ID"] = str(number)  # what get_sequence_id says
    try:
        value, metrics = result_of(evaluator(params, seed, report, confirm))
        outcome: tuple[str, Any] = "ended", (value, *metrics_of(metrics))
    except TrialStopped:
        outcome = "failed", ("stopped", "")
    except DriverGone:
        raise
    except BaseException as error:  # SystemExit is one
        kind = type(error).__name__
        message = text(error) if isinstance(error, ValueError) else f"{kind}: {text(error)}"
        outcome = "failed", (message.rstrip(": ") or kind, _trace())
    with turn:
        over = True
    return outcome


def _trace() -> str:
    """The traceback of the current exception; '' if formatting it fails, for example in the exception's own code."""
    try:
        return end_of(traceback.format_exc())
    except Exception:
        return ""


def _reported(value: Any) -> float:
    """A reported number (NaN and infinities included), plain or under `default`. Raises ValueError."""
    number: Any = value.get("default") if isinstance(value, Mapping) else value
    if not isinstance(number, (str, bytes, bool)):
        with suppress(TypeError, ValueError, OverflowError):
            return float(number)
    raise ValueError(f"report: a number is needed, not {short(value)}")


@contextmanager
def _driver_there() -> Iterator[None]:
    """Distinguish the end of the connection from errors of a trial."""
    try:
        yield
    except (EOFError, OSError):
        raise DriverGone from None


def settle(log: str, driver: int, pipe: int) -> None:
    """Make this process a worker of the process `driver`: it ignores Ctrl-C, dies with the driver, and prints to a log.

    pipe: to the keeper, which gets this process's number before the process does anything else.
    """
    announce(pipe)
    os.close(pipe)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    death_with_parent()()
    if os.getppid() != driver:  # it died before that
        os._exit(1)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, place in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(descriptor, place)
    # Line-buffered, as the process may be killed; the real streams, not a notebook's replacements.
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    faulthandler.enable(file=2)


def main() -> None:
    """A worker's program. Arguments: descriptor of its connection, log, driver's pid, keeper's pipe."""
    settle(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    connection = Connection(int(sys.argv[1]))
    with suppress(DriverGone):
        with _driver_there():
            pickled = connection.recv_bytes()
        serve(connection, _loaded(pickled))


def _loaded(pickled: bytes) -> Evaluator:
    """The evaluator; if it cannot be loaded here, one whose trials fail with that message."""
    try:
        evaluator: Evaluator = pickle.loads(pickled)
        return evaluator
    except Exception as error:
        message = f"the worker cannot load what a trial does: {type(error).__name__}: {error}"

    def fail(params: dict[str, Any], seed: int, report: Reporter, confirm: bool) -> Any:
        raise ValueError(message)

    return fail
