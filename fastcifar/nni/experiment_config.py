"""The configuration of an experiment, in NNI's version 2."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from fastcifar.checks import Check
from fastcifar.experiment.failures import MAX_FAILURES
from fastcifar.experiment.tuners.algorithm_config import AlgorithmConfig
from fastcifar.experiment.tuners.algorithms import make_assessor, make_tuner
from fastcifar.names import short
from fastcifar.nni.local_config import LocalConfig
from fastcifar.nni.yaml_file import read_yaml
from fastcifar.reading import parse_json, read_text
from fastcifar.rules import (
    LOG_LEVELS,
    ConfigError,
    Fields,
    duration,
    field_names,
    flag,
    folder,
    json_object,
    matched,
    one_of,
    optional,
    path,
    text,
    whole,
)
from fastcifar.search.spaces.space import Space


@dataclass(kw_only=True)
class ExperimentConfig(Fields):
    """The configuration of an experiment. Fields may be set in any order; `check` tells whether they fit together."""

    experiment_name: str | None = None
    """A name to show."""
    search_space: Mapping[str, Any] | None = None
    """The search space in NNI's JSON; either this or search_space_file is needed."""
    search_space_file: str | Path | None = None
    """A JSON or YAML file with the search space."""
    trial_command: str | None = None
    """The shell command that runs a trial; needed."""
    trial_code_directory: str | Path = "."
    """The folder in which trial_command runs."""
    trial_concurrency: int | None = None
    """Concurrent trials; needed."""
    trial_gpu_number: int | None = None
    """GPUs of a trial; 0 hides all GPUs from it, null leaves them alone."""
    max_trial_number: int | None = None
    """Trials in total; null is no limit."""
    max_failures: int = MAX_FAILURES
    """The experiment ends when this many first trials have all failed; 0 means never. NNI has no such field."""
    max_experiment_duration: str | int | float | None = None
    """Seconds, or text such as 30s, 10m, 1h, 2d, after which no trial is started; null is no limit."""
    max_trial_duration: str | int | float | None = None
    """The same, after which a trial is stopped."""
    experiment_working_directory: str | Path | None = None
    """The folder that holds the experiments; null is the default one."""
    log_level: str | None = None
    """fatal, error, warning, info, debug or trace, as in NNI; has no effect here."""
    debug: bool = False
    """As in NNI; has no effect here."""
    tuner: AlgorithmConfig = field(default_factory=AlgorithmConfig)
    """The searcher that suggests parameters; needed."""
    assessor: AlgorithmConfig = field(default_factory=AlgorithmConfig)
    """The assessor that stops trials early; none by default."""
    training_service: LocalConfig = field(default_factory=LocalConfig)
    """Where trials run."""

    source: ClassVar[str] = ""  # the file that it is from, for messages

    def __setattr__(self, name: str, value: Any) -> None:
        if value is None or isinstance(value, Mapping):
            if name in ("tuner", "assessor"):
                value = AlgorithmConfig.from_dict(value or {}, name)
            elif name == "training_service":
                value = LocalConfig.from_dict(value or {}, name)
        super().__setattr__(name, value)

    @classmethod
    def from_dict(cls, values: Any, source: str = "") -> "ExperimentConfig":
        """Make one from JSON values, ignoring case and underscores of keys; `source` names them in errors.

        Raises ConfigError for an unknown key; `check` checks the values.
        """
        try:
            config = cls(**matched(values, field_names(cls), ""))
        except ConfigError as error:
            raise _from(source, error) from None
        object.__setattr__(config, "source", source)
        return config

    def load_search_space(self) -> dict[str, Any]:
        """The search space as written, from its file if it has one. Raises ConfigError, SpaceError."""
        if self.search_space_file is None:
            return dict(self.search_space or {})
        file = Path(self.search_space_file).expanduser()
        if file.suffix in (".yml", ".yaml"):
            entries = read_yaml(file)
        else:
            Space.load(file)  # says better than `json` what is wrong with it
            entries = parse_json(read_text(file), str(file))
        Space.from_dict(entries, str(file))
        return dict(entries)

    @property
    def space_source(self) -> str:
        """The name of the search space in errors."""
        if self.search_space_file is not None:
            return str(self.search_space_file)
        return f"{self.source}: search_space" if self.source else "search_space"

    def check(self) -> None:
        """Raise ConfigError or SpaceError for wrong values, and for fields that do not fit together.

        It reads files, and imports and instantiates the user's classes, but starts and writes nothing.
        """
        try:
            for name, check in _CHECKS.items():
                check(name, getattr(self, name))
            self._check_gpus()
            if (self.search_space is None) == (self.search_space_file is None):
                both = "neither is" if self.search_space is None else "both are"
                raise ConfigError(f"search_space: exactly one of search_space and search_space_file is needed; {both}")
            search_space = self.load_search_space()
            Space.from_dict(search_space, self.space_source)
            tuner = make_tuner(self.tuner, search_space, str(self.search_space_file or "search_space"))
            make_assessor(self.assessor, tuner.maximize)
        except ConfigError as error:
            raise _from(self.source, error) from error.__cause__

    def _check_gpus(self) -> None:
        service, number = self.training_service, self.trial_gpu_number
        if number and service.use_active_gpu is None:
            raise ConfigError(
                "training_service.use_active_gpu: true or false (may GPUs that other processes use be taken?) is "
                f"needed where trial_gpu_number > 0; it is {number}, and this is null"
            )
        if not number and service.max_trial_number_per_gpu != 1:
            raise ConfigError(
                "training_service.max_trial_number_per_gpu: it has no effect without trial_gpu_number > 0, and is "
                f"{service.max_trial_number_per_gpu}"
            )


def _from(source: str, error: ConfigError) -> ConfigError:
    return ConfigError(f"{source}: {error}") if source else error


def _part(kind: type[Fields]) -> Check:
    def check(name: str, value: Any) -> Any:
        if not isinstance(value, kind):
            raise ConfigError(f"{name}: an object of keys is needed, not {short(value)}")
        if isinstance(value, LocalConfig):
            value.check(name)
        return value

    return Check("an object of keys", check)


_CHECKS: dict[str, Check] = {
    "experiment_name": optional(text),
    "search_space": optional(json_object),
    "search_space_file": optional(path),
    "trial_command": text,
    "trial_code_directory": folder,
    "trial_concurrency": whole(1),
    "trial_gpu_number": optional(whole(0)),
    "max_trial_number": optional(whole(1)),
    "max_failures": whole(0),
    "max_experiment_duration": optional(duration),
    "max_trial_duration": optional(duration),
    "experiment_working_directory": optional(path),
    "log_level": optional(one_of(LOG_LEVELS)),
    "debug": flag,
    "tuner": _part(AlgorithmConfig),
    "assessor": _part(AlgorithmConfig),
    "training_service": _part(LocalConfig),
}
