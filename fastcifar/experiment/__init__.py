"""Runs the trials of a search, watches them, and keeps them so that nothing announced is lost.

It hands out `optimize`, which searches a Python function; commands and NNI's interface use its rooms.
"""

from typing import TYPE_CHECKING

from fastcifar.lazy import lazy

if TYPE_CHECKING:
    from fastcifar.experiment.one_call import optimize

__all__ = ["optimize"]

HOMES = {"one_call": "optimize"}  # module: names


__getattr__ = lazy(__name__, HOMES, globals())
