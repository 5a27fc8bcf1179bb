"""Which run next? Spaces, histories, searchers."""

from fastcifar.search.history import FAILED, FINISHED, RUNNING, STATES, STOPPED, History
from fastcifar.search.parameter import Parameter
from fastcifar.search.rules import SpaceError
from fastcifar.search.searcher import Searcher, SpaceExhausted, trial_rng
from fastcifar.search.simple import Batch, Grid, Random
from fastcifar.search.space import Params, Space
from fastcifar.search.tpe import TPE

__all__ = [
    "FAILED",
    "FINISHED",
    "RUNNING",
    "STATES",
    "STOPPED",
    "TPE",
    "Batch",
    "Grid",
    "History",
    "Parameter",
    "Params",
    "Random",
    "Searcher",
    "Space",
    "SpaceError",
    "SpaceExhausted",
    "trial_rng",
]
