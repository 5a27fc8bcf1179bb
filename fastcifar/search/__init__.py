"""Which run next? Spaces, histories, searchers."""

from fastcifar.search.assess import ASHA, Assessor, MedianStop
from fastcifar.search.evolution import Evolution
from fastcifar.search.experiment.algorithms import HyperoptTuner
from fastcifar.search.experiment.experiment import Experiment, optimize
from fastcifar.search.experiment.functions import (
    get_experiment_id,
    get_next_parameter,
    get_sequence_id,
    get_trial_id,
    report_final_result,
    report_intermediate_result,
)
from fastcifar.search.gp import GP
from fastcifar.search.history import FAILED, FINISHED, RUNNING, STATES, STOPPED, History
from fastcifar.search.hyperband import Hyperband, hyperband_brackets
from fastcifar.search.parameter import Parameter
from fastcifar.search.rules import SpaceError
from fastcifar.search.searcher import Searcher, SpaceExhausted, trial_rng
from fastcifar.search.simple import Batch, Grid, Random
from fastcifar.search.space import Params, Space
from fastcifar.search.tpe import TPE

__all__ = [
    "ASHA",
    "FAILED",
    "FINISHED",
    "GP",
    "RUNNING",
    "STATES",
    "STOPPED",
    "TPE",
    "Assessor",
    "Batch",
    "Evolution",
    "Experiment",
    "Grid",
    "History",
    "Hyperband",
    "HyperoptTuner",
    "MedianStop",
    "Parameter",
    "Params",
    "Random",
    "Searcher",
    "Space",
    "SpaceError",
    "SpaceExhausted",
    "get_experiment_id",
    "get_next_parameter",
    "get_sequence_id",
    "get_trial_id",
    "hyperband_brackets",
    "optimize",
    "report_final_result",
    "report_intermediate_result",
    "trial_rng",
]
