"""The command `fastcifar train`."""

import sys
from dataclasses import dataclass, fields
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from fastcifar.cli.flags import Count, Folder, Name, Settings, parse_settings

if TYPE_CHECKING:
    from fastcifar.cli.show import RunView
    from fastcifar.data import Dataset
    from fastcifar.train import Recipe, Result


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train a network, print its epoch table, and keep the run under --out."""

    recipe: Positional[Annotated[str | None, arg(metavar="RECIPE")]] = None
    """A named recipe (`fastcifar recipes`) or a JSON file; by default resnet9 on a GPU, resnet9-tiny on a CPU."""
    dataset: Name = None
    """cifar10, cifar100, synthetic or synthetic100, instead of the recipe's."""
    data_dir: Folder = None
    """Where the images are, or are downloaded to; by default $FASTCIFAR_DATA, else the user's cache folder."""
    or_synthetic: bool = False
    """Where the images are neither here nor to be downloaded, train on synthetic ones, and say so."""
    epochs: Count = None
    """Passes over the training images (the recipe's total_epoch)."""
    set: Settings = ()
    """Other values for fields of the recipe, e.g. --set peak_lr=0.3 layer3=384 lr_scale.prep=0.1."""
    split: Annotated[str, arg(metavar="{test,holdout}")] = "test"
    """test: train on all training images, validate on test; holdout: keep 5,000 of them to validate on."""
    seed: Annotated[int, arg(metavar="N")] = 0
    """Decides weights, order and augmentation."""
    device: Annotated[str, arg(metavar="DEV")] = "auto"
    """auto, cpu, cuda or cuda:N."""
    deterministic: bool = False
    """On a GPU, use only kernels that repeat themselves (on a CPU they do anyway)."""
    step: Annotated[str, arg(metavar="{auto,eager,fused,compiled}")] = "auto"
    """How the network runs: as written, with a CPU's fused kernels, or through torch.compile (a minute to build)."""
    out: Annotated[Path, arg(metavar="DIR")] = Path("runs")
    """Where the run's folder is made."""
    checkpoint_every: Count = None
    """Epochs between checkpoints; by default 1 on a CPU, 8 on a GPU."""
    resume: Annotated[str | None, arg(metavar="RUN")] = None
    """Continue this run (its folder, or its id under --out) from its last checkpoint, with its own settings."""
    json: bool = False
    """Print the run's record as one JSON document instead of the table."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        from fastcifar.cli.show import RunView

        view = RunView(quiet=self.json)
        try:
            result = self._continue(view) if self.resume is not None else self._start(view)
        except KeyboardInterrupt:
            view.interrupted()
            raise
        view.end(result)
        if self.json:
            print(dumps(result.to_dict(), indent=2))
        if result.status == "diverged":
            print(f"fastcifar: {result.message}; the record says diverged", file=sys.stderr)
        return 1 if result.status == "diverged" else 0

    def _start(self, view: "RunView") -> "Result":
        from fastcifar.train import find_recipe, resolve_device, train

        device = resolve_device(self.device)
        name, recipe = find_recipe(self.recipe or ("resnet9-tiny" if device.type == "cpu" else "resnet9"))
        changes = parse_settings(self.set)
        if self.epochs is not None:
            changes["total_epoch"] = self.epochs
        if self.dataset is not None:
            changes["dataset"] = self.dataset
        recipe, dataset = self._load(recipe.with_params(changes))
        return train(
            recipe,
            dataset,
            self.seed,
            device=str(device),
            split=self.split,
            deterministic=self.deterministic,
            step=self.step,
            out=self.out,
            name=name,
            checkpoint_every=self.checkpoint_every,
            hooks=view.hooks(),
        )

    def _continue(self, view: "RunView") -> "Result":
        from fastcifar.data import load
        from fastcifar.train import load_result, resume

        assert self.resume is not None
        allowed = {"resume", "out", "data_dir", "json", "debug"}
        for field in fields(self):
            if field.name not in allowed and getattr(self, field.name) != field.default:
                name = field.name.replace("_", "-")
                raise ValueError(f"--resume: a run is continued with its own recipe and settings; leave {name} out")
        path = Path(self.resume) if Path(self.resume).exists() else self.out / self.resume
        result = load_result(path)
        dataset = load(result.recipe.dataset, self.data_dir)
        return resume(path, dataset, hooks=view.hooks())

    def _load(self, recipe: "Recipe") -> "tuple[Recipe, Dataset]":
        from fastcifar.data import NoDataError, load, num_classes

        try:
            return recipe, load(recipe.dataset, self.data_dir)
        except NoDataError:
            if not self.or_synthetic:
                raise
            stand_in = "synthetic" if num_classes(recipe.dataset) == 10 else "synthetic100"
            recipe = recipe.with_params({"dataset": stand_in})
            return recipe, load(recipe.dataset)
