"""How messages speak of names and numbers."""

import difflib
import itertools
import reprlib
from collections.abc import Iterable
from typing import Any

SHORT = 60  # characters of a value in a message


def nearest(name: object, names: Iterable[str]) -> str:
    """Say which of `names` look like `name`: '; did you mean ...?', or list them all."""
    names = list(names)
    text = name[:SHORT] if isinstance(name, str) else short(name)
    close = difflib.get_close_matches(text, names, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(close)}?" if close else f"; there are {', '.join(names)}"


def counted(number: int, one: str, more: str = "") -> str:
    """A number of things: '1 trial', '2 trials'; `more` where an s is not all."""
    return f"{number} {one if number == 1 else more or one + 's'}"


def short(value: Any) -> str:
    """`repr`, at most 60 characters of it; quick, however large the value is."""
    found = _SHORT.repr(value)
    return found if len(found) <= SHORT else found[: SHORT - 3] + "..."


def shown(name: Any, most: int = 2 * SHORT) -> str:
    """A key as it is, where it is text of one line of at most so many characters; else `short`."""
    return name if isinstance(name, str) and name.isprintable() and len(name) <= most else short(name)


def writable(text: str) -> bool:
    """Whether text can be written as UTF-8: half of a surrogate pair cannot."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = SHORT
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = 8
        self.maxlevel = 6

    def repr_int(self, x: int, level: int) -> str:
        if x.bit_length() > 8 * SHORT:  # Python refuses to write more than 4,300 digits
            return f"{'-' if x < 0 else ''}2^{x.bit_length() - 1}..."
        return super().repr_int(x, level)

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:  # in its own order, which `reprlib` would sort
        first = dict(itertools.islice(x.items(), self.maxdict)) if level > 0 else {}
        parts = [f"{self.repr1(key, level - 1)}: {self.repr1(value, level - 1)}" for key, value in first.items()]
        return "{" + ", ".join([*parts, "..."] if len(x) > len(first) else parts) + "}"


_SHORT = _Short()
