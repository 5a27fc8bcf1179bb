"""Makes new folders with unique names for runs, series, experiments and supernets."""

import secrets
import time
from pathlib import Path

from fastcifar.names import for_a_folder

TRIES = 100  # at a name that is not there yet


def new_folder(out: Path, name: str) -> Path:
    """Make a new folder under `out`. Raises OSError.

    Its name is date, time, `name` (cut if it is long) and four random characters.
    """
    out.mkdir(parents=True, exist_ok=True)
    for left in reversed(range(TRIES)):
        path = out / f"{time.strftime('%Y%m%d-%H%M%S')}-{for_a_folder(name)}-{secrets.token_hex(2)}"
        try:
            path.mkdir()
            return path
        except FileExistsError:
            if not left:
                raise
    raise AssertionError
