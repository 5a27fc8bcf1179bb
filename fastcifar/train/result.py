"""What a run gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from fastcifar.train.recipe.recipe import Recipe
from fastcifar.train.record.folder import SCHEMA
from fastcifar.train.record.provenance import PROVENANCE
from fastcifar.train.table import COLUMNS, EpochRow


@dataclass(kw_only=True)
class Times:
    """Seconds. `train_time` of an epoch is part of `train`, its `valid_time` of `evaluate`.

    build: network, compiling, warm-up on random data; not counted in comparisons.
    prepare: weights set, images normalised on the device; counted.
    train: counted. evaluate: not counted.
    tta: the evaluation over the recipe's views; counted where two speedruns are compared.
    wall: from the call of `train` to its end.
    """

    build: float = 0.0
    prepare: float = 0.0
    train: float = 0.0
    evaluate: float = 0.0
    tta: float = 0.0
    wall: float = 0.0

    def to_dict(self) -> dict[str, float]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(kw_only=True, repr=False)
class Result:
    """A run's record: what `run.json` holds, and the rows of its table.

    recipe_source: the JSON file that the recipe was read from; None for a named one. changes: what was changed in that
        recipe, as `Recipe.with_params` takes it; None where it is not known.
    resumed: when and by what the run was taken up again: `at`, and the keys of `provenance`.
    status: running, finished, stopped (by `on_epoch`), interrupted (by the user), diverged (the loss is not finite)
        or failed.
    id, path: of the folder on disk, or None where none was asked for.
    flops: of the whole training (see `training_flops`).
    product_rate: FLOP/s of a large matrix product on this device, in the format of the weights; measured in `build`.
    test_acc: accuracy on the test images after the last epoch, over the recipe's views where it has them; a share of 1,
        or None where `report_test` did not ask for it.
    tta_acc: accuracy on the validation images after the last epoch, over the recipe's views; None without views.
    dataset: name, fingerprint, canonical, and the number of images trained and validated on.
    """

    recipe: Recipe
    recipe_name: str
    seed: int
    split: str
    settings: dict[str, Any]
    dataset: dict[str, Any]
    provenance: dict[str, Any]
    precision: str
    parameters: int
    flops: int
    started: str
    resumed: list[dict[str, Any]] = field(default_factory=list)
    id: str | None = None
    path: str | None = None
    status: str = "running"
    message: str = ""
    product_rate: float | None = None
    test_acc: float | None = None
    tta_acc: float | None = None
    recipe_source: str | None = None
    changes: dict[str, Any] | None = None
    epochs: list[EpochRow] = field(default_factory=list)
    times: Times = field(default_factory=Times)

    def __repr__(self) -> str:
        done, count = self.status in ("finished", "stopped"), len(self.epochs)
        epochs = f"{count} epoch{'' if count == 1 else 's'}"
        if not done:
            epochs = f"{count} of {self.recipe.total_epoch} epochs"
        accuracy = self.valid_acc if self.tta_acc is None else self.tta_acc
        parts = [self.recipe_name, f"seed {self.seed}", self.status, epochs]
        parts += [] if accuracy is None else [f"{100 * accuracy:.2f} %"]
        parts += [f"{self.times.train + self.times.evaluate:.0f} s"] if self.epochs else []
        return f"Result({', '.join([*parts, self.path or 'not kept'])})"

    @property
    def threads(self) -> int:
        """Threads that the run computes with, or has computed with in its last session."""
        return int((self.resumed or [self.provenance])[-1]["threads"])

    @property
    def flops_per_second(self) -> float | None:
        """FLOP/s of the training; None before its end."""
        return self.flops / self.times.train if self.status == "finished" else None

    @property
    def valid_acc(self) -> float | None:
        """Accuracy on the validation images after the last epoch, a share of 1; None before the first."""
        return self.epochs[-1].valid_acc if self.epochs else None

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Result":
        """Read what `to_dict` gave, but for the rows, which `epochs.csv` has."""
        names = "recipe_name seed split settings precision parameters flops started resumed status message"
        return cls(
            recipe=Recipe.from_dict(document["recipe"]),
            dataset=dict(document["dataset"]),
            times=Times(**document["seconds"]),
            product_rate=document["product_rate"],
            test_acc=document["test_acc"],
            tta_acc=document["tta_acc"],
            recipe_source=document.get("recipe_source"),  # older records have neither
            changes=document.get("changes"),
            provenance={key: document[key] for key in PROVENANCE},
            **{key: document[key] for key in names.split()},
        )

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {
            "schema": SCHEMA,
            "id": self.id,
            "status": self.status,
            "message": self.message,
            "recipe_name": self.recipe_name,
            "recipe_source": self.recipe_source,
            "changes": self.changes,
            "recipe": self.recipe.to_dict(),
            "seed": self.seed,
            "split": self.split,
            "settings": self.settings,
            "precision": self.precision,
            "parameters": self.parameters,
            "flops": self.flops,
            "product_rate": self.product_rate,
            "dataset": self.dataset,
            **self.provenance,
            "started": self.started,
            "resumed": self.resumed,
            "seconds": self.times.to_dict(),
            "test_acc": self.test_acc,
            "tta_acc": self.tta_acc,
            "epochs": [dict(zip(COLUMNS, row.values(), strict=True)) for row in self.epochs],
        }
