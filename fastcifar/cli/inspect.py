"""The commands `graph` and `data`."""

import sys
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from fastcifar.cli.parsing.flags import Folder, Name, Settings, Switch, absent, parse_settings

if TYPE_CHECKING:
    from fastcifar.net import NetworkSummary


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Print the network's nodes with their shapes, parameters and FLOPs for one image, or draw it."""

    recipe: Positional[Annotated[str, arg(metavar="[RECIPE]")]] = "resnet9"
    """A named recipe, or a JSON file."""
    output: Annotated[Path | None, absent("FILE", "-o")] = None
    """Draw to this file: .dot, or where Graphviz is installed .svg, .png or .pdf."""
    force: Switch = False
    """Overwrite the file if it exists."""
    sizes: Switch = False
    """Label each node of the drawing with its output shape, parameters and FLOPs."""
    set: Settings = ()
    """Other values for fields of the recipe, e.g. --set layer3=384 extra_layers='{"layer1": 2}'."""
    json: Switch = False
    """Print the nodes and their totals as one JSON document."""
    debug: Switch = False
    """Show the traceback of an error."""

    def run(self) -> int:
        from fastcifar.data import num_classes
        from fastcifar.net import draw, summary
        from fastcifar.train import describe_network, find_recipe

        self._check()
        name, recipe = find_recipe(self.recipe)
        recipe = recipe.with_params(parse_settings(self.set))
        network = describe_network(recipe, num_classes(recipe.dataset))
        if self.output is not None:
            draw(network, sizes=self.sizes).save(self.output)
            print(f"drawing: {self.output}", file=sys.stderr)
        if self.json:
            print(dumps({"recipe": name, **_summary_json(summary(network))}, indent=2))
        elif self.output is None:
            print(summary(network))
        return 0

    def _check(self) -> None:
        """Raise ValueError for a file that cannot hold a drawing, before anything is computed."""
        from fastcifar.net.drawing import check_suffix

        if self.output is None:
            if self.force or self.sizes:
                raise ValueError(f"--{'force' if self.force else 'sizes'}: only a drawing has it; --output names one")
            return
        check_suffix(self.output)
        if self.output.exists() and not self.force:
            raise ValueError(f"--output: {self.output} exists already; --force overwrites it")


def _summary_json(found: "NetworkSummary") -> dict[str, Any]:
    nodes = [{**row._asdict(), "shape": list(row.shape)} for row in found.rows]
    return {"parameters": found.parameters, "flops": found.flops, "nodes": nodes}


@dataclass(frozen=True, kw_only=True)
class Data:
    """Show where each dataset was looked for and found, and whether it is complete."""

    dataset: Name = None
    """cifar10, cifar100, synthetic or synthetic100; by default cifar10 and cifar100."""
    data_dir: Folder = None
    """Where to look, instead of $FASTCIFAR_DATA or the user's cache folder."""
    verify: bool = False
    """Read all images; print the fingerprint and whether they are the canonical ones."""
    json: Switch = False
    """Print one JSON document."""
    debug: Switch = False
    """Show the traceback of an error."""

    def run(self) -> int:
        from fastcifar.data.report import data_report, format_report, report_json

        names = [self.dataset] if self.dataset else ["cifar10", "cifar100"]
        statuses = data_report(names, self.data_dir, verify=self.verify)
        print(dumps(report_json(statuses), indent=2) if self.json else format_report(statuses))
        return 1 if any(status.error for status in statuses) else 0
