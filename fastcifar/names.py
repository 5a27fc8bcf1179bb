"""How messages speak of names and numbers."""

import difflib
from collections.abc import Iterable


def nearest(name: object, names: Iterable[str]) -> str:
    """Say which of `names` look like `name`: '; did you mean ...?', or list them all."""
    names = list(names)
    close = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(close)}?" if close else f"; there are {', '.join(names)}"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whatever is short."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def counted(number: int, one: str, more: str = "") -> str:
    """A number of things: '1 trial', '2 trials'; `more` where an s is not all."""
    return f"{number} {one if number == 1 else more or one + 's'}"
