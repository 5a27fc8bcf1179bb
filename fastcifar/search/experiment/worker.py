"""A worker process: it keeps what a trial needs, and runs one trial after the other."""

import ctypes
import json
import os
import pickle
import signal
import sys
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from fastcifar.search.experiment.engine import result_of
from fastcifar.search.experiment.evaluator import Evaluator, Reporter, TrialStopped

PR_SET_PDEATHSIG = 1


def serve(connection: Connection, evaluator: Evaluator) -> None:
    """Run the trials that come through the connection until it is closed.

    In: (number, params, seed, confirm); after each report True to go on, False to stop.
    Out: (number, "report", value), (number, "ended", (value, metrics)), (number, "failed", (message, traceback)).
    """
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            number, params, seed, confirm = connection.recv()
            connection.send((number, *_run(connection, evaluator, number, params, seed, confirm)))


def _run(
    connection: Connection, evaluator: Evaluator, number: int, params: dict[str, Any], seed: int, confirm: bool
) -> tuple[str, Any]:
    def report(value: float) -> None:
        connection.send((number, "report", float(value)))
        if not connection.recv():
            raise TrialStopped

    try:
        value, metrics = result_of(evaluator(params, seed, report, confirm))
        return "ended", (value, json.loads(json.dumps(metrics, default=str)))
    except TrialStopped:
        return "failed", ("stopped", "")
    except (EOFError, BrokenPipeError, ConnectionResetError):  # the driver has gone
        raise
    except Exception as error:
        known = isinstance(error, ValueError)
        message = str(error) if known else f"{type(error).__name__}: {error}"
        return "failed", (message, traceback.format_exc())


def settle(log: str) -> None:
    """Make this process a worker: no Ctrl-C, no life after the driver's, no word on the terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(OSError, AttributeError):  # Linux only
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(file, 1)
    os.dup2(file, 2)


def main() -> None:
    """The program of a worker: the number of its connection, and its log."""
    settle(sys.argv[2])
    connection = Connection(int(sys.argv[1]))
    sys.path[:] = connection.recv()
    serve(connection, _loaded(connection.recv_bytes()))


def _loaded(pickled: bytes) -> Evaluator:
    """The evaluator; where it cannot be had here, one whose trials fail and say so."""
    try:
        evaluator: Evaluator = pickle.loads(pickled)
        return evaluator
    except Exception as error:
        message = f"the worker cannot load what a trial does: {type(error).__name__}: {error}"

    def fail(params: dict[str, Any], seed: int, report: Reporter, confirm: bool) -> Any:
        raise ValueError(message)

    return fail
