"""Configurations, for tests."""

from fastcifar.nni.config import (
    ExperimentConfig,
)

SPACE = {
    "features": {"_type": "choice", "_value": [128, 256, 512, 1024]},
    "lr": {"_type": "loguniform", "_value": [0.0001, 0.1]},
    "momentum": {"_type": "uniform", "_value": [0, 1]},
}


def good(**values):
    """A configuration that can be run, but for `values`."""
    values = {
        "search_space": SPACE,
        "trial_command": "true",
        "trial_concurrency": 1,
        "tuner": {"name": "TPE"},
        **values,
    }
    return ExperimentConfig(**values)
