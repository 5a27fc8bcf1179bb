"""What is kept of a supernet: a folder with supernet.json, epochs.csv and checkpoint.safetensors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastcifar.supernet.plan import SupernetPlan
from fastcifar.train import EpochRow, Times
from fastcifar.train.record.guarded import DATASET, SETTINGS, as_record, check_keys
from fastcifar.train.record.identity import as_metadata
from fastcifar.train.record.record import RunFolder
from fastcifar.typed import check_types

FILE = "supernet.json"


@dataclass(kw_only=True)
class Record:
    """A supernet's record.

    epochs: a row's `valid` columns are the full network's, on a part of the holdout; its `train` columns those of the
        first network of each step, which with sandwich is the full one.
    settings: device, step, deterministic, init (the weights that were started from), and threads.
    provenance: see `train.provenance`.
    status: running, finished, interrupted, diverged or failed.
    """

    plan: SupernetPlan
    settings: dict[str, Any]
    dataset: dict[str, Any]
    provenance: dict[str, Any]
    precision: str
    status: str = "running"
    message: str = ""
    path: str | None = None
    epochs: list[EpochRow] = field(default_factory=list)
    times: Times = field(default_factory=Times)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values, without the rows."""
        return {
            "schema": 1,
            "status": self.status,
            "message": self.message,
            **self.plan.to_dict(),
            "settings": self.settings,
            "precision": self.precision,
            "dataset": self.dataset,
            "provenance": self.provenance,
            "seconds": self.times.to_dict(),
        }

    @property
    def threads(self) -> int:
        """Threads that it is trained with."""
        return int(self.provenance["threads"])

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Record":
        """Read what `to_dict` gave."""
        names = ("settings", "dataset", "provenance", "precision", "status", "message")
        return cls(
            plan=SupernetPlan.from_dict(document),
            times=Times(**document["seconds"]),
            **{name: document[name] for name in names},
        )


def identity(record: Record) -> dict[str, str]:
    """Metadata that tell a supernet from others: of its checkpoint."""
    return as_metadata({**record.plan.to_dict(), "fingerprint": record.dataset["fingerprint"]})


def read_record(path: str | Path) -> Record:
    """The record in the folder `path`. Raises RecordError where there is none, or it is damaged."""
    folder = RunFolder(Path(path))
    document = folder.read_json(FILE)
    with as_record(folder.path / FILE):
        record = Record.from_dict(document)
        check_types(record)
        check_types(record.times)
        check_keys(record.dataset, DATASET, "dataset")
        check_keys(record.settings, SETTINGS, "settings")
        check_keys(record.provenance, {"threads": int}, "provenance")
    record.path, record.epochs = str(folder.path), folder.read_epochs()
    return record
