"""What decides a run but for its seed.

`recipe.Recipe` is checked by `rules`; `named` has the recipes of the package, `idle` the fields that do nothing.
"""
