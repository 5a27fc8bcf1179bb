"""Types of flags that several commands have."""

import json
from collections.abc import Collection, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import UseAppendAction, arg


def absent(metavar: str, *aliases: str) -> Any:
    """A flag without a default; its help does not show `default: None`."""
    return arg(metavar=metavar, aliases=aliases or None, help_behavior_hint="")


Name = Annotated[str | None, absent("NAME")]
Folder = Annotated[Path | None, absent("DIR")]
File = Annotated[Path | None, absent("FILE")]
Time = Annotated[str | None, absent("TIME")]
Count = Annotated[int | None, absent("N")]
SpaceName = Annotated[str | None, absent("SPACE")]
Switch = Annotated[bool, arg(help_behavior_hint="")]
Settings = UseAppendAction[Annotated[tuple[tuple[str, ...], ...], arg(metavar="KEY=VALUE ...")]]


def found_under(out: Path, name: str) -> Path:
    """The path that a flag names: a path, the id of a folder in `out`, or a unique beginning of an id.

    Raises FileNotFoundError if none of these exists.
    """
    for path in (Path(name), out / name):
        if path.exists():
            return path
    found = [path for path in out.iterdir() if name and path.name.startswith(name)] if out.is_dir() else []
    if len(found) == 1:
        return found[0]
    raise FileNotFoundError(f"there is no {name}, neither here nor under {out}")


def parse_settings(groups: Iterable[Iterable[str]], flag: str = "--set") -> dict[str, Any]:
    """Read `KEY=VALUE` words; a value is JSON, otherwise text. Raises ValueError, with the flag, without '='."""
    settings = {}
    for group in map(list, groups):
        for place, word in enumerate(group):
            key, equals, text = word.partition("=")
            if not equals or not key:
                raise ValueError(f"{flag}: KEY=VALUE is needed, not {word!r}{_joined(group[place:])}")
            try:
                settings[key] = json.loads(text)
            except json.JSONDecodeError:
                settings[key] = text
    return settings


def _joined(words: list[str]) -> str:
    """How to write `peak_lr 0.3`, `peak_lr = 0.3` and `peak_lr: 0.3`."""
    first, *rest = (word for word in words if word not in ("=", ":"))
    key = first.strip("=:")
    value = rest[0].lstrip("=") if rest else ""
    return f"; write {key}={value}" if key.isidentifier() and value and "=" not in value else ""


RESUMED = ("resume", "trust", "out", "json", "debug")  # flags that go with --resume


def refuse_others(flags: Any, allowed: Collection[str], why: str) -> None:
    """Raise ValueError for a flag that is given and not allowed. flags: the command's dataclass."""
    for field in fields(flags):
        if field.name not in allowed and getattr(flags, field.name) != field.default:
            raise ValueError(f"{why}; leave {field.name.strip('_').replace('_', '-')} out")
