"""Where a recipe comes from, as the names of files and folders tell it."""

import re
from pathlib import Path

EXPERIMENT = "experiment.db"  # the file that makes a folder an experiment's
ID = re.compile(r"\d{8}-\d{6}-(?P<name>.+)-(?P<end>[0-9a-f]{4})")  # of a run, a supernet or an experiment
LONGEST = 60  # characters of such a name within another


def stem_of(id: str) -> str:
    """The name in an id: `20261201-120000-channels-ab12` is one of `channels`. The id where it is of another form."""
    found = ID.fullmatch(id)
    return found["name"] if found else id


def name_of(path: Path) -> str:
    """What the runs of the recipe in the file `path` are called: its stem.

    In the folder of a search, a run or a supernet also the name and the end of that: `best-channels-ab12`.
    """
    found = ID.fullmatch(path.absolute().parent.name)
    return f"{path.stem}-{found['name'][:LONGEST]}-{found['end']}" if found else path.stem


def id_of(source: object) -> str | None:
    """The id of the search that wrote the recipe file `source` as its best; None where it is another file."""
    path = Path(str(source or ""))
    return path.parent.name if path.name == "best.json" and ID.fullmatch(path.parent.name) else None
