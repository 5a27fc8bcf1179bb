"""Tables as plain text or JSON, however long."""

import json
from collections.abc import Sequence

NUMBERS = (int, float)


def table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns under their names, numbers to the right; None is '-', and floats have 6 digits."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    right = [
        bool(rows) and all(value is None or isinstance(value, NUMBERS) for value in column) for column in _turned(rows)
    ]
    pads = [str.rjust if to_right else str.ljust for to_right in right] or [str.ljust] * len(names)
    lines = (
        "  ".join(pad(cell, width) for pad, cell, width in zip(pads, line, widths, strict=True)).rstrip()
        for line in (list(names), *cells)
    )
    return "\n".join(lines)


def json_lines(rows: Sequence[object]) -> str:
    """A JSON list with a line per entry."""
    return "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]" if rows else "[]"


def params_text(params: dict[str, object]) -> str:
    """Parameters in one cell."""
    return " ".join(f"{name}={_cell(value)}" for name, value in params.items())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _turned(rows: Sequence[Sequence[object]]) -> list[tuple[object, ...]]:
    return list(zip(*rows, strict=True))
