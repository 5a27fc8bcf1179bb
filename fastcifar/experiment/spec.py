"""What a search was asked for, as JSON in its store: data only."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fastcifar.experiment.failures import MAX_FAILURES
from fastcifar.experiment.store.kept import check_version, kept
from fastcifar.experiment.store.store import Store, StoreError
from fastcifar.experiment.tuners.algorithm_config import AlgorithmConfig

VERSION = 2  # of a spec; the first one was not written into it
FIRST_RULES: dict[str, Any] = {"max_failures": 0}  # of the first version, where it does not have the key


@dataclass(frozen=True, kw_only=True)
class TrialGPUs:
    """GPUs of a trial, or of the worker that runs it.

    number: how many; 0 hides them all, None leaves them alone. trials_per_gpu: trials that share one.
    indices: those that may be taken; None is all. use_active: whether those of other processes may be taken.
    """

    number: int | None
    indices: Sequence[int] | None = None
    trials_per_gpu: int = 1
    use_active: bool = False


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Everything that decides a search, as JSON values. One of recipe, function, command and supernet (its folder)
    says what a trial is.

    version: of these fields and their meaning. `from_dict` makes the present one of an older one.
    metric: of a trial's result; `default` is the result itself. trial_seconds: that a trial may take.
    short: fields of the recipe beneath the parameters of the search's trials, but not of what confirms.
    confirm: (points, seeds) that are run again at the end.
    gpus: the fields of TrialGPUs; null leaves them alone.
    threads: of a trial; None, as in specs of earlier versions, is its share of the cores, and a command's own affair.
    max_failures: of trials in a row from the start, after which the search ends; 0 is never.
    max_flops, max_parameters: of the networks that are tried. max_seconds: of the training of a trial of the search.
    """

    name: str = "search"
    space: dict[str, Any]
    tuner: dict[str, Any] = field(default_factory=lambda: {"name": "GP"})
    assessor: dict[str, Any] | None = None
    maximize: bool = True
    metric: str = "default"
    seed: int = 0
    trials: int | None = None
    seconds: float | None = None
    trial_seconds: float | None = None
    concurrency: int = 1
    confirm: tuple[int, int] = (0, 0)
    recipe: dict[str, Any] | None = None
    recipe_name: str = ""
    data_dir: str | None = None
    device: str = "auto"
    function: str | None = None
    command: str | None = None
    supernet: str | None = None
    code_directory: str = "."
    short: dict[str, Any] = field(default_factory=dict)
    gpus: dict[str, Any] | None = None
    max_flops: float | None = None
    max_parameters: float | None = None
    max_seconds: float | None = None
    threads: int | None = None
    max_failures: int = MAX_FAILURES
    version: int = VERSION

    def to_dict(self) -> dict[str, Any]:
        """The spec as JSON values."""
        document: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return document

    @classmethod
    def from_dict(cls, document: Any, folder: Path | None = None) -> "Spec":
        """Read what `to_dict` gave, in this version or an older one; a key that is missing has its default.

        folder: the experiment's, for the message. Raises StoreError for a spec that this version cannot read.
        """
        version = check_version(document, "version", VERSION, "spec", folder)
        values = (FIRST_RULES if version == 1 else {}) | kept(cls, document, "spec", folder) | {"version": VERSION}
        for name, kind in (("tuner", AlgorithmConfig), ("assessor", AlgorithmConfig), ("gpus", TrialGPUs)):
            if values.get(name) is not None:
                kept(kind, values[name], name, folder)
        return cls(**{**values, "confirm": tuple(values.get("confirm", cls.confirm))})


def read_spec(store: Store) -> Spec:
    """The spec of an experiment. Raises StoreError, also for one of another version."""
    meta = store.meta()
    if "spec" not in meta:
        raise StoreError(f"{store.folder}: the store does not say what is searched")
    return Spec.from_dict(meta["spec"], store.folder)


def read_meta(store: Store) -> dict[str, Any]:
    """All values of an experiment's store, its spec as this version knows it. Raises StoreError."""
    return store.meta() | {"spec": read_spec(store).to_dict()}
