"""Which run next? Spaces, histories, searchers."""

from fastcifar.search.history import FAILED, FINISHED, RUNNING, STATES, STOPPED, History
from fastcifar.search.parameter import Parameter
from fastcifar.search.rules import SpaceError
from fastcifar.search.space import Params, Space

__all__ = [
    "FAILED",
    "FINISHED",
    "RUNNING",
    "STATES",
    "STOPPED",
    "History",
    "Parameter",
    "Params",
    "Space",
    "SpaceError",
]
