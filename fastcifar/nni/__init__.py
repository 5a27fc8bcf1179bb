"""NNI's interface: its Python classes, its configuration files, and `import nni` in trial programs.

Each name is imported on first use, so that a trial program starts fast.
"""

from typing import TYPE_CHECKING

from fastcifar.lazy import lazy

if TYPE_CHECKING:
    from fastcifar.experiment.trial_api import (
        get_experiment_id,
        get_next_parameter,
        get_sequence_id,
        get_trial_id,
        report_final_result,
        report_intermediate_result,
    )
    from fastcifar.experiment.tuners.algorithms import HyperoptTuner
    from fastcifar.nni.experiment import Experiment

__all__ = [
    "Experiment",
    "HyperoptTuner",
    "get_experiment_id",
    "get_next_parameter",
    "get_sequence_id",
    "get_trial_id",
    "report_final_result",
    "report_intermediate_result",
]

HOMES = {  # modules of the names; the imports above tell type checkers the same
    "experiment": "Experiment",
    "fastcifar.experiment.trial_api": "get_experiment_id get_next_parameter get_sequence_id get_trial_id "
    "report_final_result report_intermediate_result",
    "fastcifar.experiment.tuners.algorithms": "HyperoptTuner",
}


__getattr__ = lazy(__name__, HOMES, globals())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
