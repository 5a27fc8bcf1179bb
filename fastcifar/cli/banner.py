"""The lines above and below a table: recipe, images, device."""

from collections.abc import Mapping
from typing import Any

from fastcifar.names import counted
from fastcifar.train import Recipe, Result, named_recipe, recipe_names
from fastcifar.train.comparing.group import Group
from fastcifar.train.recipe.changes import changed_fields

FIELDS = 8  # fields of a recipe in a banner


def banner(result: Result, seeds: str | None = None, changed: Mapping[str, Any] | None = None) -> str:
    """One line: recipe, split, device.

    changed: the fields that were set; by default those that differ from the named recipe.
    """
    seeds = seeds or f"seed {result.seed}"
    if changed is None:
        name = result.recipe_name
        changed = different_fields(named_recipe(name), result.recipe) if name in recipe_names() else {}
    name = f"{result.recipe_name}{set_text(changed)}"
    return f"{name} on {images(result)}; {seeds}; {result.precision} on {machine(result)}"


def comparison_banner(group: Group, result: Result) -> str:
    """A and B, their common fields, and the device. result: of the first run."""
    a, b = group.sides["A"], group.sides["B"]
    theirs = b.recipe.to_dict()
    both = {name: value for name, value in a.changed.items() if theirs[name] == value and name in b.changed}
    own = {name: value for name, value in a.changed.items() if theirs[name] != value}
    lines = [f"A: {a.name}{set_text(own)}; B: {b.name}{set_text(different_fields(a.recipe, b.recipe))}"]
    if both:
        lines.append(f"both{set_text(both)}")
    return "\n".join([*lines, f"on {images(result)}; {seeds_text(group)}; on {machine(result)}"])


def seeds_text(group: Group) -> str:
    """The seeds of a group's runs."""
    return f"seeds {group.seed} to {group.seed + group.runs - 1}"


def different_fields(base: Recipe, recipe: Recipe) -> dict[str, Any]:
    """The values that turn `base` into `recipe`, without the dataset, which a banner names anyway."""
    return {name: value for name, value in changed_fields(recipe, base).items() if name != "dataset"}


def set_text(fields: Mapping[str, Any]) -> str:
    """Fields in a banner: ` with flip=none, cutout=0`; empty if there are none."""
    texts = [f"{name}={_short(value)}" for name, value in fields.items()]
    more = f" and {len(texts) - FIELDS} more" if len(texts) > FIELDS else ""
    return f" with {', '.join(texts[:FIELDS])}{more}" if texts else ""


def _short(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def images(result: Result) -> str:
    """The images of training and validation."""
    data = result.dataset
    valid = f"valid = {result.split}, {data['valid_images']:,} images"
    return f"{data['name']}: train {data['train_images']:,} images, {valid}"


def machine(result: Result) -> str:
    """The model of the device; for a CPU also the threads."""
    threads = f", {counted(result.threads, 'thread')}" if result.settings["device"] == "cpu" else ""
    return f"{result.provenance['device']}{threads}"


def warnings(dataset: Mapping[str, Any]) -> list[str]:
    """Warnings about the data, for the lines before the table. dataset: of a record."""
    if dataset["name"].startswith("synthetic"):
        return ["*** SYNTHETIC IMAGES: made up on the spot, not CIFAR; accuracies say nothing about CIFAR ***"]
    return []


def notices(dataset: Mapping[str, Any]) -> list[str]:
    """The same warnings, or that the images are not the published ones; for the lines after the table."""
    if found := warnings(dataset):
        return found
    if not dataset["canonical"]:
        return [f"canonical: false (these are not the published {dataset['name']} files)"]
    return []
