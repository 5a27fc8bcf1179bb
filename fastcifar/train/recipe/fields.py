"""The fields of a recipe for a reader: what each means, what it is where nothing is said, what it can be."""

from dataclasses import dataclass, fields
from typing import Any

from fastcifar.attributes import attribute_texts
from fastcifar.train.recipe.recipe import CHECK, CHECKS, Recipe


@dataclass(frozen=True, kw_only=True)
class FieldText:
    """One field. default: as JSON. rule: what a value has to be."""

    name: str
    meaning: str
    default: Any
    rule: str


def recipe_fields() -> list[FieldText]:
    """All fields, in the recipe's order."""
    texts, defaults = attribute_texts(Recipe), Recipe().to_dict()
    rules = {name: check.rule for name, check in CHECKS.items()}
    rules["peak_epoch"] = f"{CHECK.number(0).rule} and at most total_epoch"
    return [
        FieldText(name=field.name, meaning=texts[field.name], default=defaults[field.name], rule=rules[field.name])
        for field in fields(Recipe)
    ]
