"""An experiment's configuration from a YAML file, of NNI's version 2 or 1."""

import sys
from pathlib import Path
from typing import Any

from fastcifar.experiment.tuners.algorithm_config import AlgorithmConfig
from fastcifar.names import short
from fastcifar.nni.config_v1 import is_v1, to_v2
from fastcifar.nni.experiment_config import ExperimentConfig
from fastcifar.nni.local_config import LocalConfig
from fastcifar.nni.yaml_file import read_yaml
from fastcifar.rules import ConfigError, Fields, field_names, matched, seconds

__all__ = ["AlgorithmConfig", "ConfigError", "ExperimentConfig", "LocalConfig", "load_config", "seconds"]

PATHS = ("search_space_file", "trial_code_directory", "experiment_working_directory")
WITHOUT_EFFECT = ("log_level", "debug")  # fields that programs written for NNI set
DROPPED = ("nni_manager_ip", "tuner_gpu_indices")  # keys of version 2 without a meaning here
OTHERS = (*DROPPED, "experiment_type", "use_annotation", "advisor")  # keys of version 2 that are not fields here


def load_config(path: str | Path) -> ExperimentConfig:
    """Read a configuration. Its relative paths start at its folder. Keys without effect are reported on stderr.

    Case and underscores of keys are ignored. Raises ConfigError that names the file, and the line or the key.
    `ExperimentConfig.check` checks whether the values fit together.
    """
    path = Path(path)
    values, source = read_yaml(path), str(path)
    try:
        if is_v1(values):
            values, dropped = to_v2(values)
            source += " (as version 2)"  # whose names the errors have
        else:
            values, dropped = _only_fields(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    config = ExperimentConfig.from_dict(values, source)
    for key in (*dropped, *(name for name in WITHOUT_EFFECT if getattr(config, name))):
        print(f"fastcifar: {path}: {key} has no effect here", file=sys.stderr)
    try:
        _resolve(config, path.absolute().parent)  # of a link, too, the folder in which it lies
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None
    return config


def _only_fields(values: Any) -> tuple[dict[str, Any], list[str]]:
    """The values without NNI's keys that are not fields here, and the dropped keys."""
    names = field_names(ExperimentConfig)
    found = matched(values, (*names, *OTHERS), "")
    if found.pop("use_annotation", None) not in (False, None):
        raise ConfigError("use_annotation: true is not possible here; write the search space to a file")
    kind = found.pop("experiment_type", None)
    if kind not in ("hpo", None):
        raise ConfigError(f"experiment_type: hpo is needed, not {short(kind)}")
    advisor = found.pop("advisor", None)
    if advisor is not None:
        if found.get("tuner") is not None:
            raise ConfigError("advisor: either tuner or advisor is needed; both are given")
        found["tuner"] = advisor
    dropped = [key for key in DROPPED if found.pop(key, None) is not None]
    return found, dropped


def _resolve(config: ExperimentConfig, folder: Path) -> None:
    """Make the relative paths of a file absolute."""
    for name in PATHS:
        _resolve_one(config, name, folder)
    for algorithm in (config.tuner, config.assessor):
        if isinstance(algorithm, AlgorithmConfig) and algorithm.class_name is not None:
            algorithm.code_directory = algorithm.code_directory or "."
            _resolve_one(algorithm, "code_directory", folder)


def _resolve_one(config: Fields, name: str, folder: Path) -> None:
    value = getattr(config, name)
    if isinstance(value, str) and value.strip():  # anything else is for `check`
        try:
            setattr(config, name, str((folder / Path(value).expanduser()).resolve()))
        except (OSError, ValueError, RuntimeError):  # too long, a null character, nobody's home, a circle of links
            raise ConfigError(f"{name}: no path can be {short(value)}") from None
