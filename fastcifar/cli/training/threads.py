"""The number of threads of a command: from `--threads`, the environment, or a measurement."""

import os
import sys

from fastcifar.machine import check_threads, share_of_cores

VARIABLE = "OMP_NUM_THREADS"  # also sets the number


def chosen_threads(asked: int | None, device: str = "auto", most: int | None = None) -> int | None:
    """The number of threads: `asked`, otherwise on a CPU the measured best; if that is not all cores, a line says so.

    None leaves torch's number alone: on a GPU, and if the user has set OMP_NUM_THREADS. most: see `fitting_threads`.
    Raises ValueError for an invalid number of threads.
    """
    check_threads(asked)
    if asked is not None or set_threads() is not None:
        return asked
    from fastcifar.train import resolve_device
    from fastcifar.train.threads import fitting_threads

    if resolve_device(device).type != "cpu":
        return None
    number, message = fitting_threads(most)
    say(message)
    return number


def trial_threads(asked: int | None, concurrency: int, device: str) -> int:
    """The number of threads of each of `concurrency` trainings: `asked`, or an equal share of the cores."""
    share = share_of_cores(concurrency)
    return asked or set_threads() or chosen_threads(None, device, share) or share


def set_threads() -> int | None:
    """The number in OMP_NUM_THREADS; None if it holds none."""
    first = os.environ.get(VARIABLE, "").partition(",")[0].strip()
    return int(first) if first.isdigit() and int(first) else None


def say(message: str) -> None:
    """Print a line on stderr, if there is a message."""
    if message:
        print(f"fastcifar: {message}", file=sys.stderr, flush=True)
