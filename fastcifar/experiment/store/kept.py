"""Reads values of a store into dataclasses; values of another version are refused in one line."""

import dataclasses
import json
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastcifar.experiment.store.store import StoreError
from fastcifar.typed import is_of

TODO = "use the version that made it; fastcifar experiment export still writes its trials"


def of_another_version(where: Path | None, why: str) -> StoreError:
    """The error for a store that this version cannot read. where: the experiment's folder."""
    return StoreError(f"{'' if where is None else f'{where}: '}made by another version of fastcifar ({why}); {TODO}")


def kept(kind: Any, document: Any, what: str, where: Path | None = None) -> dict[str, Any]:
    """The arguments for the dataclass `kind`, of its JSON values; a missing one has its default.

    what: whose values they are, for the message. Raises StoreError for a key that `kind` does not know, for one that is
    missing without a default, and for a value of another type.
    """
    if not isinstance(document, Mapping):
        raise of_another_version(where, f"its {what} is {_short(document)}")
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    unknown = [repr(name) for name in document if name not in fields]
    if unknown:
        raise of_another_version(where, f"its {what} has {', '.join(unknown)}, which this one does not know")
    hints = typing.get_type_hints(kind)
    for name, field in fields.items():
        if name not in document:
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                raise of_another_version(where, f"its {what} has no {name!r}")
        elif not is_of(document[name], hints[name]):
            raise of_another_version(where, f"its {what} has {_short(document[name])} for {name!r}")
    return dict(document)


def check_version(document: Any, key: str, latest: int, what: str, where: Path | None = None) -> int:
    """The version that a document says under `key`; the first one where it says none.

    what: whose document it is, for the message. Raises StoreError for a version after `latest`, and for none at all.
    """
    found = document.get(key, 1) if isinstance(document, Mapping) else 1
    if is_of(found, int) and 1 <= found <= latest:
        return int(found)
    raise of_another_version(where, f"its {what} has {key} {_short(found)}, this one knows {latest}")


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else text[:37] + "..."
