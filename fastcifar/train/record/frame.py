"""All runs under a folder as a pandas table."""

from pathlib import Path

import pandas as pd

from fastcifar.train.recipe.changes import settings_text
from fastcifar.train.record.listing import COLUMNS, overviews


def list_runs(out: str | Path, sort: str = "id") -> pd.DataFrame:
    """One row for each run and supernet under `out`, with the columns of `Overview`; see there.

    `changes` are text. Raises ValueError for an unknown column to sort by.
    """
    rows = [one.to_dict() for one in overviews(Path(out), sort)]
    for row in rows:
        row["changes"] = None if row["changes"] is None else settings_text(row["changes"])
    return pd.DataFrame(rows, columns=list(COLUMNS))
