"""The flags that several training commands share, with their help texts."""

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
    from fastcifar.train.comparing.group import Side


@dataclass(frozen=True, kw_only=True)
class PlaceFlags:
    """The folder of the results."""

    out: Annotated[Path, arg(metavar="DIR")] = Path("runs")
    """The folder that holds runs, searches and supernets."""
    debug: Switch = False
    """Show the traceback of an error."""


@dataclass(frozen=True, kw_only=True)
class ImageFlags(PlaceFlags):
    """And the folder of the images."""

    data_dir: Folder = None
    """The folder of the images, also for downloads; by default $FASTCIFAR_DATA, else the user's cache folder."""


@dataclass(frozen=True, kw_only=True)
class ComputeFlags(ImageFlags):
    """And the threads of a CPU."""

    threads: Count = None
    """Threads of a CPU, in a search of each trial; by default one per core, divided among trials, or fewer where a busy
    machine makes them faster."""


@dataclass(frozen=True, kw_only=True)
class TrainingFlags(ComputeFlags):
    """And the flags of every command that trains: images, epochs, fields of the recipe, device."""

    dataset: Name = None
    """cifar10, cifar100, synthetic or synthetic100, instead of the recipe's."""
    or_synthetic: Switch = False
    """If the images are missing and cannot be downloaded, train on synthetic ones, and say so."""
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
        """The name and the recipe; with --or-synthetic on made-up images if its own are missing, and say so."""
        name, found = self.find(recipe)
        if not self.or_synthetic:
            return name, found
        loaded, _ = self.load(found)
        if loaded.dataset != found.dataset:
            print(f"no images of {found.dataset} here, nor to be downloaded: SYNTHETIC IMAGES instead", file=sys.stderr)
        return name, loaded

    def load(self, recipe: "Recipe") -> "tuple[Recipe, Dataset]":
        """The recipe and its images; with --or-synthetic possibly made-up images, and the recipe for them."""
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
    """And whether a GPU is deterministic."""

    deterministic: Switch = False
    """On a GPU, use deterministic kernels only (a CPU's are deterministic anyway)."""


@dataclass(frozen=True, kw_only=True)
class RunFlags(RepeatFlags):
    """And everything else that decides a run, except its recipe and seed."""

    split: Annotated[str, arg(metavar="{test,holdout}")] = "test"
    """test: train on all training images, validate on test; holdout: hold out 5,000 of them for validation."""
    step: Annotated[str, arg(metavar="{auto,eager,fused,compiled,captured,compiled-captured}")] = "auto"
    """How the network runs: eagerly, with a CPU's fused kernels, through torch.compile (a minute to build), or as CUDA
    graphs."""
    init: Annotated[str | None, absent("RUN")] = None
    """Start from the weights of this run (its folder, or its id under --out), of an export, or of a .safetensors."""
    checkpoint_every: Count = None
    """Epochs between checkpoints; by default 1 on a CPU, 8 on a GPU."""

    def side(self, recipe: str | None, more: Mapping[str, Any] | None = None) -> "Side":
        """The same as `find`, with the fields that were set."""
        from fastcifar.cli.banner import different_fields
        from fastcifar.train.comparing.group import Side

        name, found = self.find(recipe, more)
        changed = different_fields(self.base(recipe)[1], found)
        return Side(name=name, recipe=found, changed=changed, source=recipe or name)

    def settings(self) -> "RunSettings":
        """The settings of `train` for each run.

        Raises FileNotFoundError if the run of --init does not exist, ValueError for a step that is not available.
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
