"""The error of a recipe."""


class RecipeError(ValueError):
    """A recipe that cannot be trained: names the field, the rule and the value."""
