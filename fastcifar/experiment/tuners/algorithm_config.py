"""A tuner or assessor as the configuration names it, and the check of its arguments."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastcifar.checks import Check
from fastcifar.names import nearest, short, shown
from fastcifar.rules import (
    ConfigError,
    Fields,
    field_names,
    folder,
    json_object,
    matched,
    optional,
    squeezed,
    text,
)

Arguments = Mapping[str, tuple[str, Check]]  # an argument's name -> (our name for it, its check)
MODES = {"maximize": True, "minimize": False}


@dataclass(kw_only=True)
class AlgorithmConfig(Fields):
    """A tuner or an assessor: one of ours by its name, or a class of yours."""

    name: str | None = None
    """One of ours, without regard to case and underscores, e.g. TPE; see `make_tuner` and `make_assessor`."""
    class_name: str | None = None
    """A class of yours instead of a name: `file.Class`, `path/to/file.py:Class` or `module:Class`."""
    code_directory: str | Path | None = None
    """The folder from which `class_name` is found; null is the working directory."""
    class_args: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the algorithm, such as {"optimize_mode": "minimize"}."""
    instance: bool = False
    """Whether `name` describes an object that a program gave to `optimize`; no file can say so."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, {} if name == "class_args" and value is None else value)

    @property
    def is_set(self) -> bool:
        """Whether anything is said at all."""
        return self != AlgorithmConfig()

    @classmethod
    def from_dict(cls, values: Any, where: str) -> "AlgorithmConfig":
        """Make one of JSON values; `where` is their key. Raises ConfigError."""
        return cls(**matched(values, [name for name in field_names(cls) if name != "instance"], where))

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values, as `from_dict` reads them."""
        return {name: value for name, value in super().to_dict().items() if name != "instance"}

    def check(self, where: str) -> None:
        """Raise ConfigError for a value of the wrong kind; `where` is this object's key."""
        for name, check in _CHECKS.items():
            check(f"{where}.{name}", getattr(self, name))
        if self.instance:
            raise ConfigError(
                f"{where}: the search was begun with an object of a program, {self.name}, which cannot be found by a "
                f"name: optimize(..., resume=ID, {where}=the object) goes on with it"
            )
        if (self.name is None) == (self.class_name is None):
            both = "both are there" if self.name else "neither is there"
            raise ConfigError(f"{where}: either name or class_name is needed; {both}")
        if self.name is not None and self.code_directory is not None:
            raise ConfigError(f"{where}.code_directory: it goes with class_name, not with name ({shown(self.name)})")


_CHECKS: dict[str, Check] = {
    "name": optional(text),
    "class_name": optional(text),
    "code_directory": optional(folder),
    "class_args": json_object,
}


def known_name(name: str, ours: Iterable[str], elsewhere: Iterable[str], where: str) -> str:
    """Which of `ours` a name means. Raises ConfigError, also for those that only NNI has (`elsewhere`)."""
    names = {squeezed(one): one for one in ours}
    if squeezed(name) in names:
        return names[squeezed(name)]
    if squeezed(name) in map(squeezed, elsewhere):
        raise ConfigError(f"{where}.name: {short(name)} of NNI is not here; there are {', '.join(names.values())}")
    raise ConfigError(f"{where}.name: {short(name)} is not known{nearest(name, names.values())}")


def checked(args: Any, known: Arguments, where: str, also: Iterable[str] = ()) -> dict[str, Any]:
    """Arguments under our names for them, checked; `also` are known besides. Raises ConfigError."""
    if not isinstance(args, Mapping):
        raise ConfigError(f"{where}: an object of arguments is needed, not {short(args)}")
    result: dict[str, Any] = {}
    for name, value in args.items():
        if name not in known:
            raise ConfigError(
                f"{where}.{shown(name)}: the argument has no counterpart here; there are {', '.join([*also, *known])}"
            )
        ours, check = known[name]
        check(f"{where}.{name}", value)
        if ours in result:
            raise ConfigError(f"{where}.{name}: {ours} is there twice, under two names")
        result[ours] = value
    return result


def mode(args: Mapping[str, Any], where: str) -> bool | None:
    """Whether `optimize_mode` says maximize; None where it is not there. Raises ConfigError."""
    value = args.get("optimize_mode")
    if value is None:
        return None
    if not isinstance(value, str) or value not in MODES:
        raise ConfigError(f"{where}.class_args.optimize_mode: maximize or minimize is needed, not {short(value)}")
    return MODES[value]
