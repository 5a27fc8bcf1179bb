"""The flags of the commands that train: each name and each help text is written once, here."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

from fastcifar.cli.parsing.flags import Count, Folder, Name, Settings, Switch, absent, found_under, parse_settings
from fastcifar.cli.training.threads import chosen_threads

if TYPE_CHECKING:
    from fastcifar.data import Dataset
    from fastcifar.train import Recipe, RunSettings
    from fastcifar.train.compare.group import Side


@dataclass(frozen=True, kw_only=True)
class PlaceFlags:
    """Where the results are."""

    out: Annotated[Path, arg(metavar="DIR")] = Path("runs")
    """Where the folders of runs, searches and supernets are made and looked for."""
    debug: Switch = False
    """Show the traceback of an error."""


@dataclass(frozen=True, kw_only=True)
class ImageFlags(PlaceFlags):
    """Where the images are, too."""

    data_dir: Folder = None
    """Where the images are, or are downloaded to; by default $FASTCIFAR_DATA, else the user's cache folder."""


@dataclass(frozen=True, kw_only=True)
class ComputeFlags(ImageFlags):
    """What a CPU computes with, too."""

    threads: Count = None
    """Threads that a CPU computes with, in a search each trial; by default one a core, which trials share out, or
    fewer on a busy machine where they are faster."""


@dataclass(frozen=True, kw_only=True)
class TrainingFlags(ComputeFlags):
    """What every command that trains has: which images, how long, with which values, where."""

    dataset: Name = None
    """cifar10, cifar100, synthetic or synthetic100, instead of the recipe's."""
    or_synthetic: Switch = False
    """Where the images are neither here nor to be downloaded, train on synthetic ones, and say so."""
    epochs: Count = None
    """Passes over the training images (the recipe's total_epoch)."""
    set: Settings = ()
    """Other values for fields of the recipe, e.g. --set peak_lr=0.3 layer3=384 lr_scale.prep=0.1; `fastcifar recipes
    --fields` lists them."""
    device: Annotated[str, arg(metavar="DEV")] = "auto"
    """auto, cpu, cuda or cuda:N."""

    def base(self, recipe: str | None) -> "tuple[str, Recipe]":
        """The name and the recipe without the flags' values; by default resnet9 on a GPU, resnet9-tiny on a CPU."""
        from fastcifar.train import find_recipe, resolve_device

        device = resolve_device(self.device)
        return find_recipe(recipe or ("resnet9-tiny" if device.type == "cpu" else "resnet9"))

    def find(self, recipe: str | None, more: Mapping[str, Any] | None = None) -> "tuple[str, Recipe]":
        """The name and the recipe with the values of the flags, then those of `more`. recipe: see `base`."""
        name, found = self.base(recipe)
        changes: dict[str, Any] = parse_settings(self.set)
        if self.epochs is not None:
            changes["total_epoch"] = self.epochs
        if self.dataset is not None:
            changes["dataset"] = self.dataset
        return name, found.with_params({**changes, **(more or {})})

    def find_with_images(self, recipe: str | None) -> "tuple[str, Recipe]":
        """The name and the recipe; with --or-synthetic for made-up images where its own cannot be had, and say so."""
        name, found = self.find(recipe)
        if not self.or_synthetic:
            return name, found
        loaded, _ = self.load(found)
        if loaded.dataset != found.dataset:
            print(f"no images of {found.dataset} here, nor to be downloaded: SYNTHETIC IMAGES instead", file=sys.stderr)
        return name, loaded

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


@dataclass(frozen=True, kw_only=True)
class RepeatFlags(TrainingFlags):
    """Whether a GPU repeats itself."""

    deterministic: Switch = False
    """On a GPU, use only kernels that repeat themselves (on a CPU they do anyway)."""


@dataclass(frozen=True, kw_only=True)
class RunFlags(RepeatFlags):
    """What decides a run, but for its recipe and seed."""

    split: Annotated[str, arg(metavar="{test,holdout}")] = "test"
    """test: train on all training images, validate on test; holdout: keep 5,000 of them to validate on."""
    step: Annotated[str, arg(metavar="{auto,eager,fused,compiled,captured,compiled-captured}")] = "auto"
    """How the network runs: as written, with a CPU's fused kernels, through torch.compile (a minute to build), or as
    CUDA graphs."""
    init: Annotated[str | None, absent("RUN")] = None
    """Start from the weights of this run (its folder, or its id under --out), of an export, or of a .safetensors."""
    checkpoint_every: Count = None
    """Epochs between checkpoints; by default 1 on a CPU, 8 on a GPU."""

    def side(self, recipe: str | None, more: Mapping[str, Any] | None = None) -> "Side":
        """The same as `find`, with what was set."""
        from fastcifar.cli.banner import different_fields
        from fastcifar.train.compare.group import Side

        name, found = self.find(recipe, more)
        changed = different_fields(self.base(recipe)[1], found)
        return Side(name=name, recipe=found, changed=changed, source=recipe or name)

    def settings(self) -> "RunSettings":
        """What `train` takes for each run.

        Raises FileNotFoundError where there is no run to start from, ValueError for a step that cannot be had.
        """
        from fastcifar.train import resolve_device
        from fastcifar.train.step.ways import resolve_step

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
