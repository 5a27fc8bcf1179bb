"""Keeps in a record how its training has ended."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from fastcifar.train.record.record import RecordError
from fastcifar.train.step.loop import Diverged


class Recorded(Protocol):
    """What has a status and a message for the user."""

    status: str
    message: str


@contextmanager
def ending(record: Recorded, epochs_done: Callable[[], int], write: Callable[[], None]) -> Iterator[None]:
    """Set how the training inside has ended and call `write`; a training that reaches its end sets its own status.

    A loss that is not finite ends it as diverged; whatever else is raised is recorded and raised again.
    """
    try:
        yield
    except Diverged:
        record.status = "diverged"
        record.message = f"the loss became NaN or infinite in epoch {epochs_done() + 1}"
    except BaseException as error:
        by_user = isinstance(error, KeyboardInterrupt)
        record.status, record.message = ("interrupted", "") if by_user else ("failed", str(error))
        with suppress(RecordError):  # the first error is the one to tell
            write()
        raise
    write()
