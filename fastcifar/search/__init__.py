"""Which run next? Spaces, histories, searchers.

Each name is imported when it is first asked for: scipy takes half a second, for which each worker and trial would wait.
"""

from typing import TYPE_CHECKING

from fastcifar.lazy import lazy

if TYPE_CHECKING:
    from fastcifar.experiment import optimize
    from fastcifar.nni import (
        Experiment,
        HyperoptTuner,
        get_experiment_id,
        get_next_parameter,
        get_sequence_id,
        get_trial_id,
        report_final_result,
        report_intermediate_result,
    )
    from fastcifar.search.assess import ASHA, Assessor, MedianStop
    from fastcifar.search.brackets import hyperband_brackets
    from fastcifar.search.evolution import Evolution
    from fastcifar.search.gp import GP
    from fastcifar.search.history import FAILED, FINISHED, RUNNING, STOPPED, History
    from fastcifar.search.hyperband import Hyperband
    from fastcifar.search.searcher import Searcher, SpaceExhausted, trial_rng
    from fastcifar.search.simple import Batch, Grid, Random
    from fastcifar.search.spaces.parameter import Parameter
    from fastcifar.search.spaces.rules import SpaceError
    from fastcifar.search.spaces.space import Params, Space
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
    "brackets": "hyperband_brackets",
    "evolution": "Evolution",
    "gp": "GP",
    "history": "FAILED FINISHED RUNNING STOPPED History",
    "hyperband": "Hyperband",
    "searcher": "Searcher SpaceExhausted trial_rng",
    "simple": "Batch Grid Random",
    "spaces.parameter": "Parameter",
    "spaces.rules": "SpaceError",
    "spaces.space": "Params Space",
    "tpe": "TPE",
}
MOVED = {  # rooms above this one, whose names stood here
    "fastcifar.experiment": "optimize",
    "fastcifar.nni": "Experiment HyperoptTuner get_experiment_id get_next_parameter get_sequence_id get_trial_id "
    "report_final_result report_intermediate_result",
}


__getattr__ = lazy(__name__, HOMES | MOVED, globals())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
