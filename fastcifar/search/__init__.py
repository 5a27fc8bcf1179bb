"""Which run next? Spaces, histories, searchers.

Each name is imported when it is first asked for: scipy takes half a second, for which each worker and trial would wait.
"""

from typing import TYPE_CHECKING

from fastcifar.lazy import lazy

if TYPE_CHECKING:
    from fastcifar.search.assess import ASHA, Assessor, MedianStop
    from fastcifar.search.brackets import hyperband_brackets
    from fastcifar.search.evolution import Evolution
    from fastcifar.search.experiment.algorithms import HyperoptTuner
    from fastcifar.search.experiment.experiment import Experiment
    from fastcifar.search.experiment.functions import (
        get_experiment_id,
        get_next_parameter,
        get_sequence_id,
        get_trial_id,
        report_final_result,
        report_intermediate_result,
    )
    from fastcifar.search.experiment.optimize import optimize
    from fastcifar.search.gp import GP
    from fastcifar.search.history import FAILED, FINISHED, RUNNING, STOPPED, History
    from fastcifar.search.hyperband import Hyperband
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

HOMES = {  # where the names are, as the imports above say it to type checkers
    "assess": "ASHA Assessor MedianStop",
    "evolution": "Evolution",
    "experiment.algorithms": "HyperoptTuner",
    "experiment.experiment": "Experiment",
    "experiment.functions": "get_experiment_id get_next_parameter get_sequence_id get_trial_id report_final_result "
    "report_intermediate_result",
    "experiment.optimize": "optimize",
    "gp": "GP",
    "history": "FAILED FINISHED RUNNING STOPPED History",
    "brackets": "hyperband_brackets",
    "hyperband": "Hyperband",
    "parameter": "Parameter",
    "rules": "SpaceError",
    "searcher": "Searcher SpaceExhausted trial_rng",
    "simple": "Batch Grid Random",
    "space": "Params Space",
    "tpe": "TPE",
}


__getattr__ = lazy(__name__, HOMES, globals())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
