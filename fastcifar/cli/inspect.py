"""The commands that show something: recipes, networks, data."""

from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from fastcifar.cli.flags import Folder, Name, Settings, parse_settings


@dataclass(frozen=True, kw_only=True)
class Recipes:
    """List the named recipes, or print one as JSON."""

    name: Positional[Name] = None
    """The recipe to print."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        from fastcifar.train import named_recipe, recipe_names

        print(named_recipe(self.name).to_json() if self.name else "\n".join(recipe_names()))
        return 0


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Print the network's nodes with their shapes, parameters and FLOPs for one image, or draw it."""

    recipe: Positional[Annotated[str, arg(metavar="RECIPE")]] = "resnet9"
    """A named recipe, or a JSON file."""
    output: Annotated[Path | None, arg(metavar="FILE", aliases=["-o"])] = None
    """Draw to this file: .dot, or where Graphviz is installed .svg, .png or .pdf."""
    sizes: bool = False
    """Label each node of the drawing with its output shape, parameters and FLOPs."""
    set: Settings = ()
    """Other values for fields of the recipe, e.g. --set layer3=384 extra_layers='{"layer1": 2}'."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        from fastcifar.data import num_classes
        from fastcifar.net import draw, summary
        from fastcifar.train import describe_network, find_recipe

        _, recipe = find_recipe(self.recipe)
        recipe = recipe.with_params(parse_settings(self.set))
        network = describe_network(recipe, num_classes(recipe.dataset))
        if self.output is None:
            print(summary(network))
        else:
            draw(network, sizes=self.sizes).save(self.output)
        return 0


@dataclass(frozen=True, kw_only=True)
class Data:
    """Show where each dataset was looked for and found, and whether it is whole."""

    dataset: Name = None
    """cifar10, cifar100, synthetic or synthetic100; by default the first two."""
    data_dir: Folder = None
    """Where to look, instead of $FASTCIFAR_DATA or the user's cache folder."""
    verify: bool = False
    """Read all of it; print its fingerprint and whether it is the canonical data."""
    json: bool = False
    """Print one JSON document."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        from fastcifar.data.report import data_report, format_report, report_json

        names = [self.dataset] if self.dataset else ["cifar10", "cifar100"]
        statuses = data_report(names, self.data_dir, verify=self.verify)
        print(dumps(report_json(statuses), indent=2) if self.json else format_report(statuses))
        return 1 if any(status.error for status in statuses) else 0
