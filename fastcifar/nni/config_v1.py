"""Converts version 1 of NNI's configuration to version 2."""

from collections.abc import Mapping
from typing import Any

from fastcifar.names import short
from fastcifar.nni.local_config import check_platform
from fastcifar.rules import ConfigError, matched, squeezed

PLATFORM = "trainingServicePlatform"

# version 1 -> version 2; None is dropped, with a warning
TOP: dict[str, str | None] = {
    "experimentName": "experiment_name",
    "trialConcurrency": "trial_concurrency",
    "maxExecDuration": "max_experiment_duration",
    "maxTrialNum": "max_trial_number",
    "maxTrialDuration": "max_trial_duration",
    "searchSpacePath": "search_space_file",
    "logDir": "experiment_working_directory",
    "logLevel": "log_level",
    "debug": "debug",
    "authorName": None,
    "description": None,
    "multiThread": None,
    "versionCheck": None,
    "logCollection": None,
    "nniManagerIp": None,
}
TRIAL: dict[str, str | None] = {
    "command": "trial_command",
    "codeDir": "trial_code_directory",
    "gpuNum": "trial_gpu_number",
}
LOCAL: dict[str, str | None] = {
    "useActiveGpu": "use_active_gpu",
    "maxTrialNumPerGpu": "max_trial_number_per_gpu",
    "gpuIndices": "gpu_indices",
}
ALGORITHM: dict[str, str | None] = {
    "className": "class_name",
    "codeDir": "code_directory",
    "classArgs": "class_args",
    "includeIntermediateResults": None,
    "gpuIndices": None,
}
REFUSED = {"useAnnotation": "write the search space to a file", "multiPhase": "NNI itself has given it up"}
PARTS = ("trial", "localConfig", "tuner", "assessor", "advisor")


def is_v1(values: Any) -> bool:
    """Whether these are values of version 1. Only version 1 has the platform at the top level."""
    return isinstance(values, Mapping) and any(squeezed(key) == squeezed(PLATFORM) for key in values)


def to_v2(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The values in version 2, and the dropped keys. Raises ConfigError."""
    for key, value in values.items():
        if squeezed(key) == squeezed(PLATFORM):
            check_platform(str(key), value)  # first, as other platforms have other keys
    found = matched(values, (PLATFORM, *TOP, *REFUSED, *PARTS), "")
    for key, instead in REFUSED.items():
        if found.pop(key, None) not in (False, None):
            raise ConfigError(f"{key}: true is not possible here; {instead}")
    service: dict[str, Any] = {"platform": found.pop(PLATFORM)}
    parts = {name: found.pop(name, None) or {} for name in PARTS}
    dropped: list[str] = []
    result = _moved(found, TOP, "", dropped)
    result |= _moved(parts["trial"], TRIAL, "trial", dropped)
    result["training_service"] = service | _moved(parts["localConfig"], LOCAL, "localConfig", dropped)
    for kind in ("tuner", "assessor", "advisor"):
        if parts[kind]:
            key = "tuner" if kind == "advisor" else kind
            if key in result:
                raise ConfigError("advisor: either tuner or advisor is needed; both are given")
            result[key] = _algorithm(parts[kind], kind, dropped)
    return result, dropped


def _algorithm(values: Any, kind: str, dropped: list[str]) -> dict[str, Any]:
    builtin = f"builtin{kind.title()}Name"
    result = _moved(values, {builtin: "name", "classFileName": "file"} | ALGORITHM, kind, dropped)
    file = result.pop("file", None)
    if file is None and "class_name" not in result:
        return result
    if not isinstance(file, str) or not file.endswith(".py") or "class_name" not in result:
        raise ConfigError(f"{kind}.classFileName: a .py file and className are needed, not {short(file)}")
    return result | {"class_name": f"{file[:-3]}.{result['class_name']}"}


def _moved(values: Any, table: Mapping[str, str | None], where: str, dropped: list[str]) -> dict[str, Any]:
    """The values under their names in version 2; a null counts as missing."""
    result: dict[str, Any] = {}
    for key, value in matched(values, table, where).items():
        new = table[key]
        if new is None:
            dropped.append(f"{where}.{key}" if where else key)
        elif value is not None:
            result[new] = value
    return result
