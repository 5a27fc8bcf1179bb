"""The epoch table of the notes: the same columns, widths and digits."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

_WIDTH = 12


@dataclass(frozen=True, kw_only=True)
class EpochRow:
    """One epoch. Times in seconds; losses are means over images; accuracies are shares of 1."""

    epoch: int  # from 1
    lr: float  # at the end of the epoch
    train_time: float
    train_loss: float
    train_acc: float
    valid_time: float
    valid_loss: float
    valid_acc: float

    @property
    def epoch_time(self) -> float:
        """Training plus validation."""
        return self.train_time + self.valid_time

    def values(self) -> list[int | float]:
        """The columns, in the order of the table."""
        return [*(getattr(self, field.name) for field in fields(self)), self.epoch_time]


COLUMNS = (*(field.name for field in fields(EpochRow)), "epoch_time")


def format_header() -> str:
    """The head of the table."""
    return " ".join(f"{name.replace('_', ' '):>{_WIDTH}}" for name in COLUMNS)


def format_row(row: EpochRow) -> str:
    """One line of the table."""
    return " ".join(f"{v:{_WIDTH}d}" if isinstance(v, int) else f"{v:{_WIDTH}.4f}" for v in row.values())


def format_closing(rows: Iterable[EpochRow]) -> str:
    """The notes' closing line: the sum of the column `epoch time`."""
    return f"Finished Train/Valid in {sum(row.epoch_time for row in rows):.2f} seconds"
