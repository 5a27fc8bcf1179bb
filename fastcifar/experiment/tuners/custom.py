"""Searchers and assessors that are classes of the user's."""

import importlib.util
import sys
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastcifar.errors import Notice
from fastcifar.experiment.gate import plain, text
from fastcifar.experiment.tuners.algorithm_config import AlgorithmConfig
from fastcifar.names import short
from fastcifar.rules import ConfigError
from fastcifar.search.history import History
from fastcifar.search.searcher import Searcher, SpaceExhausted, best_mean
from fastcifar.search.spaces.space import Params, Space


def make_custom(config: AlgorithmConfig, methods: Iterable[str], args: Mapping[str, Any], where: str) -> Any:
    """An instance of the user's class, imported from its folder. Raises ConfigError; lets no exception of it pass."""
    module, _, name = str(config.class_name).rpartition(".")
    directory = Path(config.code_directory or ".").expanduser().resolve()
    file = directory / f"{module.replace('.', '/')}.py"
    if not module or "\0" in module or not file.is_file():
        raise ConfigError(
            f"{where}.class_name: file.Class with a file in {directory} is needed, not {short(config.class_name)}"
        )
    try:
        found = getattr(_imported(file, directory), name, None)
    except Exception as error:
        raise ConfigError(f"{where}.class_name: {file} fails: {type(error).__name__}: {error}") from error
    if not isinstance(found, type):
        raise ConfigError(f"{where}.class_name: {file} has no class {name}")
    for method in methods:
        if not callable(getattr(found, method.partition("(")[0], None)):
            raise ConfigError(f"{where}.class_name: {config.class_name} has no method {method}")
    try:
        return found(**args)
    except Exception as error:
        raise ConfigError(f"{where}.class_args: {config.class_name} fails: {type(error).__name__}: {error}") from error


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


def _imported(file: Path, directory: Path) -> Any:
    """Run a file as a module of its own name, so that two folders may have a file of the same name."""
    spec = importlib.util.spec_from_file_location(f"fastcifar_user:{file}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickle look for it there
    if str(directory) not in sys.path:
        sys.path.append(str(directory))  # as NNI does: what the file imports, now or later, lies there too
    spec.loader.exec_module(module)
    return module
