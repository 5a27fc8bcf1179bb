"""The folder of a supernet: supernet.json, epochs.csv and checkpoint.safetensors."""

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

    epochs: the `valid` columns of a row are of the full network on a part of the holdout, the `train` columns of the
        first network of each step, which is the full one with sandwich.
    settings: device, step, deterministic, init (the path of the weights that it starts from), and threads.
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
        """The number of threads of the training."""
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
    """Metadata that identify a supernet, for its checkpoint."""
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
