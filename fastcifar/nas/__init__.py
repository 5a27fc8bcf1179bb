"""Spaces of networks from any torch module, in NNI's words: choices, strategies, experiments."""

from fastcifar.nas.config import RetiariiExeConfig
from fastcifar.nas.evaluator import Classification, FunctionalEvaluator
from fastcifar.nas.experiment import RetiariiExperiment
from fastcifar.nas.model import model_wrapper, space_of

__all__ = [
    "Classification",
    "FunctionalEvaluator",
    "RetiariiExeConfig",
    "RetiariiExperiment",
    "model_wrapper",
    "space_of",
]
