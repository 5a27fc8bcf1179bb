"""Which run a file of tensors belongs to, in its metadata: a file of another run is refused."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastcifar.train.record.record import RecordError
from fastcifar.train.result import Result


def identity(result: Result) -> dict[str, str]:
    """Metadata that tell a run from others, as JSON; they stay what they are when its folder is renamed."""
    return as_metadata(
        {
            "recipe": result.recipe.to_dict(),
            "seed": result.seed,
            "started": result.started,
            "fingerprint": result.dataset["fingerprint"],
        }
    )


def as_metadata(values: Mapping[str, Any]) -> dict[str, str]:
    """Each value as JSON."""
    return {name: json.dumps(value) for name, value in values.items()}


def check_identity(path: Path, metadata: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Raise RecordError where the file's metadata name another run than `wanted`.

    wanted: as `identity` gives them. Names that only one of them has are passed over, also fields of a recipe:
    another version wrote the file.
    """
    for name in (name for name in wanted if name in metadata):
        try:
            saved, here = json.loads(metadata[name]), json.loads(wanted[name])
        except ValueError:
            raise RecordError(f"{path}: damaged: its {name} cannot be read") from None
        if isinstance(saved, dict) and isinstance(here, dict):
            pairs = [(f"{name}.{field}", saved[field], here[field]) for field in saved if field in here]
        else:
            pairs = [(name, saved, here)]
        for place, its, ours in pairs:
            if its != ours:
                raise RecordError(f"{path}: it is of another run: its {place} is {its!r}, and {ours!r} here")
