"""Checks records from anywhere: a bad one is refused in one line that names its file. Without torch."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastcifar.names import short, shown
from fastcifar.train.record.folder import RecordError
from fastcifar.typed import is_of

LONGEST = 200  # characters of what is wrong
LARGEST = 2**63  # of a whole number
DATASET: dict[str, Any] = {"name": str, "fingerprint": str}
SETTINGS: dict[str, Any] = {"device": str}


@contextmanager
def as_record(file: Path) -> Iterator[None]:
    """Turn the errors that values of wrong types lead to into a RecordError that names the file."""
    try:
        yield
    except RecordError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        why = str(error) if isinstance(error, ValueError) else repr(error)
        raise RecordError(f"{file}: not a record of this version ({shown(why, LONGEST)})") from None


def check_keys(values: Any, kinds: Mapping[str, Any], what: str) -> None:
    """Raise ValueError where values are no object with these keys, each of its type. what: whose they are."""
    if not isinstance(values, Mapping):
        raise ValueError(f"{what} cannot be {short(values)}")
    for name, kind in kinds.items():
        if name not in values:
            raise KeyError(f"{what}.{name}")
        value = values[name]
        if not is_of(value, kind) or (isinstance(value, int) and abs(value) >= LARGEST):
            raise ValueError(f"{what}.{name} cannot be {short(value)}")
