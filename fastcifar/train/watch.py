"""What is looked at between two steps of a training: signals, and whether its folder is still there."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from fastcifar.stopping import check
from fastcifar.train.record.folder import Folder

T = TypeVar("T")


def look(folder: Folder | None) -> None:
    """Raise KeyboardInterrupt where a signal has asked to stop, RecordError where the folder has gone."""
    check()
    if folder is not None:
        folder.check()


def watched(steps: Iterable[T], folder: Folder | None) -> Iterator[T]:
    """The same, with a look after each."""
    for step in steps:
        yield step
        look(folder)
