"""The commands that list what comes with the package: recipes and search spaces."""

from dataclasses import asdict, dataclass
from json import dumps
from textwrap import fill
from typing import Annotated, Any

from tyro.conf import Positional

from fastcifar.cli.parsing.flags import Switch, absent
from fastcifar.cli.table import json_lines, table

SHOWN = 5  # parameters shown in a space's line


@dataclass(frozen=True, kw_only=True)
class Recipes:
    """List the named recipes with their measured accuracies and times, or print one as JSON."""

    name: Positional[Annotated[str | None, absent("[RECIPE]")]] = None
    """The recipe to print."""
    fields: Switch = False
    """List the fields of a recipe instead, each with its default, allowed values and meaning."""
    json: Switch = False
    """Print the list as one JSON document."""
    debug: Switch = False
    """Show the traceback of an error."""

    def run(self) -> int:
        from fastcifar.train import find_recipe, recipe_names

        if self.fields and self.name is not None:
            raise ValueError(f"--fields: it is of all recipes; leave {self.name} out")
        if self.fields:
            self._fields()
        elif self.name is not None:
            print(find_recipe(self.name)[1].to_json())
        else:
            rows = [_about_recipe(name) for name in recipe_names()]
            print(json_lines(rows) if self.json else _recipes_text(rows))
        return 0

    def _fields(self) -> None:
        from fastcifar.train.recipe.fields import recipe_fields

        found = recipe_fields()
        if self.json:
            print(json_lines([asdict(field) for field in found]))
            return
        for field in found:
            print(f"{field.name} = {dumps(field.default)}  ({field.rule})")
            print(fill(field.meaning, 100, initial_indent="    ", subsequent_indent="    "))


def _about_recipe(name: str) -> dict[str, Any]:
    """A named recipe: its size, and its measured results with their machine; None where nothing was measured."""
    from fastcifar.data import num_classes
    from fastcifar.net import count_flops
    from fastcifar.train import describe_network, named_recipe
    from fastcifar.train.recipe.named import measured

    recipe = named_recipe(name)
    network = describe_network(recipe, num_classes(recipe.dataset))
    return {
        "name": name,
        "dataset": recipe.dataset,
        "epochs": recipe.total_epoch,
        "flops": count_flops(network),
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "measured": measured().get(name),
    }


def _recipes_text(rows: list[dict[str, Any]]) -> str:
    cells = []
    for row in rows:
        found = row["measured"] or {}
        accuracy, seconds = found.get("accuracy"), found.get("seconds")
        cells.append(
            (
                *(row["name"], row["dataset"], row["epochs"], f"{row['flops'] / 1e6:,.0f}", f"{row['parameters']:,}"),
                "-" if accuracy is None else f"{accuracy:.2f}",
                "-" if seconds is None else f"{seconds:.0f}",
                found.get("where", "-"),
            )
        )
    heads = ("recipe", "data", "epochs", "MFLOPs", "parameters", "test %", "seconds", "measured on")
    return table(heads, cells)


@dataclass(frozen=True, kw_only=True)
class Spaces:
    """List the search spaces that come with the package, or print one as JSON."""

    name: Positional[Annotated[str | None, absent("[SPACE]")]] = None
    """The space to print."""
    json: Switch = False
    """Print the list as one JSON document."""
    debug: Switch = False
    """Show the traceback of an error."""

    def run(self) -> int:
        from fastcifar.search.spaces.named import find_space, space_names

        if self.name is not None:
            print(dumps(find_space(self.name)[1], indent=2))
            return 0
        rows = [_about_space(name) for name in space_names()]
        print(json_lines(rows) if self.json else _spaces_text(rows))
        return 0


def _about_space(name: str) -> dict[str, Any]:
    """A named space; points: their number, None if there are infinitely many."""
    from fastcifar.search import Space
    from fastcifar.search.spaces.named import named_space

    space = Space.from_dict(named_space(name))
    keys = [parameter.key for parameter in space.parameters]
    return {"name": name, "points": int(space.size()) if space.size() < float("inf") else None, "parameters": keys}


def _spaces_text(rows: list[dict[str, Any]]) -> str:
    cells = []
    for row in rows:
        keys = row["parameters"]
        fields = " ".join(keys[:SHOWN]) + (" ..." if len(keys) > SHOWN else "")
        cells.append((row["name"], len(keys), "no end" if row["points"] is None else f"{row['points']:,}", fields))
    return table(("space", "parameters", "points", "of"), cells)
