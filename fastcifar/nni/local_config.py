"""The part of the configuration that says where trials run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastcifar.names import short
from fastcifar.rules import (
    ConfigError,
    Fields,
    field_names,
    flag,
    matched,
    one_of,
    optional,
    squeezed,
    whole,
)

ELSEWHERE = ("remote", "openpai", "pai", "aml", "dlc", "adl", "kubeflow", "frameworkcontroller")  # NNI's platforms


@dataclass(kw_only=True)
class LocalConfig(Fields):
    """Where trials run: on this machine."""

    platform: str = "local"
    """local; there is no other."""
    use_active_gpu: bool | None = None
    """Whether to use GPUs that other processes use; needed if trial_gpu_number > 0."""
    max_trial_number_per_gpu: int = 1
    """Trials that share a GPU."""
    gpu_indices: list[int] | int | str | None = None
    """GPUs that may be used: a number, a list, or text such as "0,2"; null is all."""

    @classmethod
    def from_dict(cls, values: Any, where: str) -> "LocalConfig":
        """Make one from JSON values; `where` is their key. Raises ConfigError."""
        for key, value in values.items() if isinstance(values, Mapping) else ():
            if squeezed(key) == "platform":
                check_platform(f"{where}.{key}", value)  # first, as other platforms have other keys
        return cls(**matched(values, field_names(cls), where))

    @property
    def gpus(self) -> list[int] | None:
        """`gpu_indices` as a list. Raises ValueError if it is not valid."""
        if self.gpu_indices is None:
            return None
        if isinstance(self.gpu_indices, str):
            return [int(index) for index in self.gpu_indices.split(",")]
        return [self.gpu_indices] if isinstance(self.gpu_indices, int) else list(self.gpu_indices)

    def check(self, where: str) -> None:
        """Raise ConfigError for a value that breaks a rule; `where` is this object's key."""
        check_platform(f"{where}.platform", self.platform)
        optional(flag)(f"{where}.use_active_gpu", self.use_active_gpu)
        whole(1)(f"{where}.max_trial_number_per_gpu", self.max_trial_number_per_gpu)
        try:
            gpus = self.gpus or []
            for index in gpus:
                whole(0)("", index)
            fits = len(set(gpus)) == len(gpus) and not isinstance(self.gpu_indices, bool) and self.gpu_indices != []
        except (TypeError, ValueError, OverflowError):
            fits = False
        if not fits:
            raise ConfigError(
                f"{where}.gpu_indices: numbers of GPUs, from 0 and each once, are needed, not {short(self.gpu_indices)}"
            )


def check_platform(name: str, value: Any) -> None:
    """Raise ConfigError for an unsupported platform; NNI's platforms and misspelt names get different messages."""
    if isinstance(value, str) and squeezed(value) in ELSEWHERE:
        raise ConfigError(f"{name}: the platform {value} of NNI is not here; there is local")
    one_of(("local",))(name, value)
