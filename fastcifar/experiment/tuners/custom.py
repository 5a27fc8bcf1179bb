"""Searchers and assessors that are classes of the user's."""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastcifar.errors import Notice
from fastcifar.experiment.gate import plain, text
from fastcifar.experiment.tuners.algorithm_config import AlgorithmConfig
from fastcifar.experiment.tuners.classes import find_class
from fastcifar.names import short
from fastcifar.rules import ConfigError
from fastcifar.search.history import History
from fastcifar.search.searcher import Searcher, SpaceExhausted, best_mean
from fastcifar.search.spaces.space import Params, Space

SEARCHER_METHODS = ("suggest(space, history, rng)", "best(history)")
ASSESSOR_METHODS = ("assess(history, trial)",)


def make_custom(config: AlgorithmConfig, methods: Iterable[str], args: Mapping[str, Any], where: str) -> Any:
    """An instance of the user's class. Raises ConfigError; lets no exception of the class pass."""
    directory = Path(config.code_directory or ".").expanduser().resolve()
    found = find_class(str(config.class_name), directory, f"{where}.class_name")
    missing = missing_method(found, methods)
    if missing is not None:
        raise ConfigError(f"{where}.class_name: {config.class_name} has no method {missing}")
    try:
        return found(**args)
    except Exception as error:
        raise ConfigError(f"{where}.class_args: {config.class_name} fails: {type(error).__name__}: {error}") from error


def missing_method(of: Any, methods: Iterable[str]) -> str | None:
    """The first of `methods`, each as `name(arguments)`, that a class or an object does not have; else None."""
    return next((one for one in methods if not callable(getattr(of, one.partition("(")[0], None))), None)


def suggested(searcher: Searcher, space: Space, history: History, rng: np.random.Generator) -> Params:
    """What a searcher suggests. Raises ConfigError where a user's own fails, or suggests what is not of the space."""
    if _ours(searcher):
        return searcher.suggest(space, history, rng)
    name = type(searcher).__name__
    try:
        params: Params = plain(searcher.suggest(space, history, rng))
    except SpaceExhausted:
        raise
    except Exception as error:
        raise ConfigError(f"the tuner {name} fails: {type(error).__name__}: {text(error)}") from error
    try:
        space.encode(params)
    except ValueError as error:
        raise ConfigError(f"the tuner {name} suggests {short(params)}: {error}") from None
    return params


def best_of(searcher: Searcher, history: History) -> Params:
    """A searcher's estimate of the best point; where a user's own has none, the point with the best mean result."""
    if _ours(searcher):
        return searcher.best(history)
    try:
        best: Params = plain(searcher.best(history))
        history.space.encode(best)
        return best
    except Exception as error:
        why = f"{type(error).__name__}: {text(error)}"
        warnings.warn(f"the tuner {type(searcher).__name__} knows no best point, {why}: the best mean is", Notice, 2)
        return best_mean(history)


def _ours(searcher: Searcher) -> bool:
    return type(searcher).__module__.startswith("fastcifar.")
