"""NNI's Batch: a search space that lists trials."""

from collections.abc import Mapping
from typing import Any

from fastcifar.names import short, shown
from fastcifar.rules import ConfigError
from fastcifar.search.simple import Batch
from fastcifar.search.spaces.space import Space


def make_batch(search_space: Mapping[str, Any], source: str) -> tuple[Batch, Space]:
    """The listed trials, and the space of what is in them.

    search_space: in NNI's JSON, one choice of objects, each the parameters of a trial; `source` names it in errors.
    Raises ConfigError and SpaceError.
    """
    listed = Space.from_dict(search_space, source).parameters
    trials = search_space[listed[0].key]["_value"]  # which may list one twice
    if len(listed) != 1 or listed[0].kind != "choice" or not all(isinstance(trial, Mapping) for trial in trials):
        raise ConfigError(f"{source}: Batch needs one parameter, a choice of objects, each the parameters of a trial")
    names = list(trials[0])
    for number, trial in enumerate(trials):
        if not names or set(trial) != set(names):
            raise ConfigError(
                f"{source}: the trials of Batch need the same parameters; "
                f"{shown(listed[0].key)}[0] has {short(names)}, [{number}] has {short(list(trial))}"
            )
    entries = {name: {"_type": "choice", "_value": _distinct([trial[name] for trial in trials])} for name in names}
    return Batch([dict(trial) for trial in trials]), Space.from_dict(entries, source)


def _distinct(values: list[Any]) -> list[Any]:
    return [value for number, value in enumerate(values) if value not in values[:number]]
