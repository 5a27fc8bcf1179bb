"""Replaces NNI in a trial, so that NNI's trial scripts run unchanged. Only a trial's PYTHONPATH has it."""

from fastcifar.experiment.trial_api import (
    get_experiment_id,
    get_next_parameter,
    get_sequence_id,
    get_trial_id,
    report_final_result,
    report_intermediate_result,
)

__all__ = [
    "get_experiment_id",
    "get_next_parameter",
    "get_sequence_id",
    "get_trial_id",
    "report_final_result",
    "report_intermediate_result",
]
