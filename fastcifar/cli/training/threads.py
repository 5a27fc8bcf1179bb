"""What `--threads` comes to: one number for a whole command."""

import os
import sys

from fastcifar.machine import check_threads, share_of_cores

VARIABLE = "OMP_NUM_THREADS"  # with which the user may say it, too


def chosen_threads(asked: int | None, device: str = "auto", most: int | None = None) -> int | None:
    """The number of threads: `asked`; on a CPU else what pays there now, which is said where it is not all.

    None leaves torch's number alone: on a GPU, and where the user has set it by OMP_NUM_THREADS. most: see
    `fitting_threads`. Raises ValueError for what is no number of threads.
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
    """The number of threads of each of so many trainings beside each other: `asked`, or a share of the cores."""
    share = share_of_cores(concurrency)
    return asked or set_threads() or chosen_threads(None, device, share) or share


def set_threads() -> int | None:
    """The number that OMP_NUM_THREADS says; None where it says none."""
    first = os.environ.get(VARIABLE, "").partition(",")[0].strip()
    return int(first) if first.isdigit() and int(first) else None


def say(message: str) -> None:
    """A line on stderr, where there is something to say."""
    if message:
        print(f"fastcifar: {message}", file=sys.stderr, flush=True)
