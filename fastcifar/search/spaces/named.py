"""The search spaces that come with the package: the files of `search_spaces/`, which the build copies into it."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastcifar.names import nearest
from fastcifar.reading import parse_json, read_text
from fastcifar.search.spaces.rules import SpaceError
from fastcifar.search.spaces.space import Space


def space_names() -> list[str]:
    """Names that `find_space` knows."""
    return sorted(path.name.removesuffix(".json") for path in _folder().iterdir() if path.name.endswith(".json"))


def find_space(name_or_path: str | Path) -> tuple[str, dict[str, Any]]:
    """The checked entries of a named space or a JSON file, and the name for its searches' folders.

    A name takes precedence over a file of the same name; `./lr` is the file. Raises SpaceError (a ValueError) if
    neither exists, or the file breaks a rule.
    """
    text, names = str(name_or_path), space_names()
    if text in names:
        return text, named_space(text)
    path = Path(text)
    if not path.suffix and len(path.parts) == 1 and not path.exists():
        raise SpaceError(f"there is no search space {text!r}{nearest(text, names)}")
    return path.stem, read_space(path)


def read_space(path: Path) -> dict[str, Any]:
    """The entries of a search space's file, checked. Raises SpaceError."""
    Space.load(path)
    entries: dict[str, Any] = parse_json(read_text(path), str(path))
    return entries


def named_space(name: str) -> dict[str, Any]:
    """The entries of the space of that name, as JSON values."""
    entries: dict[str, Any] = json.loads((_folder() / f"{name}.json").read_text(encoding="utf-8"))
    return entries


def _folder() -> Any:
    """The folder in the package; in a checkout, which is not built, the folder beside the package."""
    inside = files("fastcifar") / "search_spaces"
    return inside if inside.is_dir() else Path(str(files("fastcifar"))).parent / "search_spaces"
