"""Types of flags that several commands have."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import UseAppendAction, arg


def absent(metavar: str, *aliases: str) -> Any:
    """A flag that is not there unless it is given; its help does not say `default: None`."""
    return arg(metavar=metavar, aliases=aliases or None, help_behavior_hint="")


Name = Annotated[str | None, absent("NAME")]
Folder = Annotated[Path | None, absent("DIR")]
File = Annotated[Path | None, absent("FILE")]
Time = Annotated[str | None, absent("TIME")]
Count = Annotated[int | None, absent("N")]
Settings = UseAppendAction[Annotated[tuple[tuple[str, ...], ...], arg(metavar="KEY=VALUE ...")]]


def found_under(out: Path, name: str) -> Path:
    """What a flag names: a path, or the id of a folder in `out`, or the beginning of an id that no other begins with.

    Raises FileNotFoundError where there is none of these.
    """
    for path in (Path(name), out / name):
        if path.exists():
            return path
    found = [path for path in out.iterdir() if name and path.name.startswith(name)] if out.is_dir() else []
    if len(found) == 1:
        return found[0]
    raise FileNotFoundError(f"there is no {name}, neither here nor under {out}")


def parse_settings(groups: Iterable[Iterable[str]], flag: str = "--set") -> dict[str, Any]:
    """Read `KEY=VALUE` words: a value is JSON, or else text. Raises ValueError, with the flag, for one without '='."""
    settings = {}
    for word in (word for group in groups for word in group):
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise ValueError(f"{flag}: KEY=VALUE is needed, not {word!r}")
        try:
            settings[key] = json.loads(text)
        except json.JSONDecodeError:
            settings[key] = text
    return settings
