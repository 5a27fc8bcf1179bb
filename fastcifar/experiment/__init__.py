"""Runs the trials of a search, watches them, and stores them so that no announced result is lost.

It exports `optimize`, which searches a Python function. The command line and NNI's interface use its packages.
"""

from typing import TYPE_CHECKING

from fastcifar.lazy import lazy

if TYPE_CHECKING:
    from fastcifar.experiment.one_call import optimize

__all__ = ["optimize"]

HOMES = {"one_call": "optimize"}  # module: names


__getattr__ = lazy(__name__, HOMES, globals())
