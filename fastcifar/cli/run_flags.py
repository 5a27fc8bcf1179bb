"""The flags of the commands that train."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

from fastcifar.cli.flags import Count, Folder, Name, Settings, absent, found_under, parse_settings
from fastcifar.cli.threads import chosen_threads

if TYPE_CHECKING:
    from fastcifar.data import Dataset
    from fastcifar.train import Recipe, RunSettings


@dataclass(frozen=True, kw_only=True)
class RunFlags:
    """What decides a run, but for its recipe and seed."""

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
    device: Annotated[str, arg(metavar="DEV")] = "auto"
    """auto, cpu, cuda or cuda:N."""
    threads: Count = None
    """Threads that a CPU computes with; by default one a core, or fewer on a busy machine where they are faster."""
    deterministic: bool = False
    """On a GPU, use only kernels that repeat themselves (on a CPU they do anyway)."""
    step: Annotated[str, arg(metavar="{auto,eager,fused,compiled,captured,compiled-captured}")] = "auto"
    """How the network runs: as written, with a CPU's fused kernels, through torch.compile (a minute to build), or as
    CUDA graphs."""
    init: Annotated[str | None, absent("RUN")] = None
    """Start from the weights of this run (its folder, or its id under --out), of an export, or of a .safetensors."""
    out: Annotated[Path, arg(metavar="DIR")] = Path("runs")
    """Where the folders of runs are made."""
    checkpoint_every: Count = None
    """Epochs between checkpoints; by default 1 on a CPU, 8 on a GPU."""
    debug: bool = False
    """Show the traceback of an error."""

    def find(self, recipe: str, more: Mapping[str, Any] | None = None) -> "tuple[str, Recipe]":
        """The name and the recipe with the values of the flags, then those of `more`."""
        from fastcifar.train import find_recipe

        name, found = find_recipe(recipe)
        changes: dict[str, Any] = parse_settings(self.set)
        if self.epochs is not None:
            changes["total_epoch"] = self.epochs
        if self.dataset is not None:
            changes["dataset"] = self.dataset
        return name, found.with_params({**changes, **(more or {})})

    def settings(self) -> "RunSettings":
        """What `train` takes for each run.

        Raises FileNotFoundError where there is no run to start from, ValueError for a step that cannot be had.
        """
        from fastcifar.train import resolve_device
        from fastcifar.train.step import resolve_step

        if self.step != "auto":
            resolve_step(self.step, resolve_device(self.device))  # before the images are looked for
        return {
            "device": self.device,
            "split": self.split,
            "deterministic": self.deterministic,
            "step": self.step,
            "init": None if self.init is None else found_under(self.out, self.init),
            "out": self.out,
            "checkpoint_every": self.checkpoint_every,
            "threads": chosen_threads(self.threads, self.device),
        }

    def load(self, recipe: "Recipe") -> "tuple[Recipe, Dataset]":
        """The recipe's images; or with --or-synthetic made-up ones, and the recipe for those."""
        from fastcifar.data import NoDataError, load, num_classes

        try:
            return recipe, load(recipe.dataset, self.data_dir)
        except NoDataError:
            if not self.or_synthetic:
                raise
            stand_in = "synthetic" if num_classes(recipe.dataset) == 10 else "synthetic100"
            recipe = recipe.with_params({"dataset": stand_in})
            return recipe, load(recipe.dataset)
