"""Search spaces of every kind, small enough to be searched in a moment."""

import json
import math
import zlib
from typing import Any

from fastcifar.search.spaces.space import Params, Space

_ENTRIES: dict[str, dict[str, Any]] = {
    "point": {"only": {"_type": "choice", "_value": [7]}},
    "tiny": {"k": {"_type": "choice", "_value": ["a", None, True]}, "n": {"_type": "choice", "_value": [1, 2, 8]}},
    "whole": {"i": {"_type": "randint", "_value": [2, 6]}, "q": {"_type": "quniform", "_value": [0, 1, 0.5]}},
    "branches": {
        "net": {
            "_type": "choice",
            "_value": [
                {"_name": "none"},
                {"_name": "small", "w": {"_type": "randint", "_value": [1, 4]}},
                {
                    "_name": "large",
                    "act": {
                        "_type": "choice",
                        "_value": [
                            {"_name": "relu"},
                            {"_name": "leaky", "slope": {"_type": "choice", "_value": [1, 2]}},
                        ],
                    },
                },
            ],
        }
    },
    "numbers": {
        "u": {"_type": "uniform", "_value": [-1, 1]},
        "l": {"_type": "loguniform", "_value": [1e-4, 1]},
        "g": {"_type": "normal", "_value": [0, 2]},
        "i": {"_type": "randint", "_value": [0, 10]},
    },
    "mixed": {
        "u": {"_type": "uniform", "_value": [0, 1]},
        "net": {
            "_type": "choice",
            "_value": [{"_name": "a"}, {"_name": "b", "z": {"_type": "loguniform", "_value": [0.1, 10]}}],
        },
    },
}


def spaces() -> dict[str, Space]:
    """Spaces by name: of one point, finite ones, with nested choices, with numbers of every kind."""
    return {name: Space.from_dict(entries, name) for name, entries in _ENTRIES.items()}


def finite_spaces() -> dict[str, Space]:
    """Those of `spaces` that can be listed."""
    return {name: space for name, space in spaces().items() if math.isfinite(space.size())}


def allowed(params: Params) -> bool:
    """A rule by which about half of the points of any space may be tried."""
    return zlib.crc32(json.dumps(params, sort_keys=True).encode()) % 2 == 0


def off_space(space: Space, params: Params) -> str | None:
    """Why parameters are not those of a point of the space; None where they are."""
    try:
        row = space.encode(params)
    except ValueError as error:
        return str(error)
    nearest = space.decode(row)  # cut to the bounds
    return None if same(params, nearest) else f"its nearest point is {nearest}"


def same(one: Any, other: Any) -> bool:
    """Whether two parameters, or dicts of them, are equal but for the rounding of numbers."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (one, other))
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12) if numbers else bool(one == other)
