"""All runs under a folder, as a table."""

import math
from pathlib import Path
from typing import Any

import pandas as pd

from fastcifar.names import nearest
from fastcifar.train.record import RecordError, RunFolder

COLUMNS = (
    "id",
    "recipe",
    "dataset",
    "canonical",
    "split",
    "seed",
    "status",
    "epochs",
    "of",
    "valid_acc",
    "train_seconds",
    "wall_seconds",
    "device",
)


def list_runs(out: Path, sort: str = "id") -> pd.DataFrame:
    """One row per run under `out`, with the columns COLUMNS; folders that hold no run are passed over.

    `status` is `killed` where the record says `running` and no process holds the run.
    Raises ValueError for an unknown column.
    """
    if sort not in COLUMNS:
        raise ValueError(f"--sort: there is no column {sort!r}{nearest(sort, COLUMNS)}")
    rows = []
    for path in sorted(out.iterdir()) if out.is_dir() else []:
        folder = RunFolder(path)
        try:
            rows.append(_row(folder, folder.read_json()))
        except (RecordError, KeyError):
            continue
    return pd.DataFrame(rows, columns=list(COLUMNS)).sort_values(sort, kind="stable")


def _row(folder: RunFolder, record: dict[str, Any]) -> dict[str, Any]:
    rows = folder.read_epochs()
    status = "killed" if record["status"] == "running" and not folder.in_use() else record["status"]
    return {
        "id": folder.id,
        "recipe": record["recipe_name"],
        "dataset": record["dataset"]["name"],
        "canonical": record["dataset"]["canonical"],
        "split": record["split"],
        "seed": record["seed"],
        "status": status,
        "epochs": len(rows),
        "of": record["recipe"]["total_epoch"],
        "valid_acc": rows[-1].valid_acc if rows else math.nan,
        "train_seconds": round(sum(row.train_time for row in rows), 2),
        "wall_seconds": round(record["seconds"]["wall"], 2),
        "device": record["device"],
    }
