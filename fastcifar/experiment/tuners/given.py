"""Tuners and assessors as a program or a flag gives them, and how the spec of a search keeps each.

A name, or a class by `module:Class` or `file.py:Class`, can be found again. An object cannot: its description is kept,
and a resume needs the object itself.
"""

import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fastcifar.errors import Notice
from fastcifar.experiment.tuners.algorithm_config import AlgorithmConfig
from fastcifar.experiment.tuners.algorithms import BUDGET, MODE_AND_SEED
from fastcifar.experiment.tuners.custom import ASSESSOR_METHODS, SEARCHER_METHODS, missing_method
from fastcifar.names import short
from fastcifar.rules import ConfigError
from fastcifar.search.hyperband import Hyperband

METHODS = {"tuner": SEARCHER_METHODS, "assessor": ASSESSOR_METHODS}
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")  # of an object, in the default repr: another one in each process
LONGEST = 200  # characters of a description


def recorded(given: Any, where: str, args: Mapping[str, Any] | None = None, also: str = "") -> dict[str, Any]:
    """What a spec keeps of a tuner or an assessor.

    given: a name; `module:Class` or `file.py:Class`, found from the working directory; a mapping with the fields of
    `AlgorithmConfig`, or an object with the methods of a searcher or an assessor.
    where: `tuner` or `assessor`. args: of the class; also: where they were said, for messages.
    Raises ConfigError that names the rule.
    """
    if isinstance(given, str):
        found: dict[str, Any] = {"class_name": given} if ":" in given else {"name": given}
        found |= {"class_args": dict(args)} if args else {}
    elif isinstance(given, Mapping):
        config = AlgorithmConfig.from_dict(given, where)
        config.check(where)
        found = {name: value for name, value in config.to_dict().items() if value}
    else:
        return _of_object(given, where)
    if where == "tuner":
        _refuse_settings(found.get("class_args", {}), also or "tuner.class_args")
    if "class_name" in found:
        found["code_directory"] = str(Path(found.get("code_directory", ".")).expanduser().absolute())
    return found


def is_object(given: Any) -> bool:
    """Whether a tuner or an assessor is given as an object, not by a name."""
    return given is not None and not isinstance(given, str | Mapping)


def object_of(given: Any, spec: Mapping[str, Any] | None, where: str) -> Any:
    """The object with which a search goes on; None where it was begun without one.

    spec: what is recorded of it. Raises ConfigError where an object is missing, or is none of this search.
    """
    begun = spec is not None and spec.get("instance") is True
    if begun and not is_object(given):
        AlgorithmConfig(**(spec or {})).check(where)  # says what is missing
    if not is_object(given):
        return None
    if not begun:
        name = (spec or {}).get("name") or (spec or {}).get("class_name")
        raise ConfigError(f"{where}: the search was begun with {name or f'no {where}'}; leave it out")
    described = _of_object(given, where)["name"]
    if spec is not None and described != spec["name"]:
        warnings.warn(f"{where}: the search was begun with {spec['name']}, and goes on with {described}", Notice, 3)
    return given


def _of_object(given: Any, where: str) -> dict[str, Any]:
    methods = METHODS[where]
    if isinstance(given, type):
        raise ConfigError(f"{where}: an object is needed, not its class: {given.__name__}(...)")
    missing = missing_method(given, methods)
    if missing is not None:
        raise ConfigError(
            f"{where}: a name, module:Class or an object with {_listed(methods)} is needed; "
            f"{short(given)} has no method {missing}"
        )
    try:
        name = ADDRESS.sub("", repr(given))
    except Exception:  # of the user's class
        name = f"<{type(given).__qualname__}>"
    name = name if len(name) <= LONGEST else f"{name[: LONGEST - 3]}..."
    budget = {"class_args": {"budget": BUDGET}} if isinstance(given, Hyperband) else {}
    return {"name": name, "instance": True, **budget}


def _refuse_settings(args: Mapping[str, Any], also: str) -> None:
    """These are NNI's words in a file; a program or a command line has its own for them."""
    for name in MODE_AND_SEED:
        if name in args:
            raise ConfigError(f"{also}: {name} is a setting of the search, not of the tuner")


def _listed(methods: Iterable[str]) -> str:
    return " and ".join(methods)
