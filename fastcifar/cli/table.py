"""Tables as plain text or JSON; on a terminal no wider than the terminal."""

import json
import shutil
import sys
from collections.abc import Iterable, Sequence

from fastcifar.cli.columns import Column, folded, lines_of

INDENT = "  "  # of the further lines of a row


def table(
    names: Sequence[str],
    rows: Sequence[Sequence[object]],
    width: int | None = None,
    *,
    drop: Sequence[str] = (),
    short: Sequence[str] = (),
) -> str:
    """Columns under their names, numbers to the right; None is '-', and floats have 6 digits.

    width: characters of a line; by default the terminal's width, unlimited elsewhere.
    A table that is too wide first loses the columns `drop`: the empty ones, then one by one. Next, cells of the columns
    `short` are cut, and other texts are wrapped at spaces. If that is not enough, a row takes several lines.
    Numbers are never cut.
    """
    columns = [Column(name, [_cell(row[place]) for row in rows], cut=name in short) for place, name in enumerate(names)]
    width = width or terminal_width() or sum(column.most + len(INDENT) for column in columns)
    empty = {column.name for column in columns if column.empty}
    for name in sorted(drop, key=lambda name: name not in empty):
        if len(folded(columns, width, len(INDENT))) > 1:
            columns = [column for column in columns if column.name != name]
    parts = folded(columns, width, len(INDENT))
    blocks = [lines_of(part, width - len(INDENT) * (place > 0)) for place, part in enumerate(parts)]
    return "\n".join(
        (INDENT * (place > 0) + line).rstrip()
        for row in zip(*blocks, strict=True)
        for place, lines in enumerate(row)
        for line in lines
    )


def pairs_text(pairs: Iterable[tuple[str, object]]) -> str:
    """Names, and beside each what it has, a line each."""
    return "\n".join(f"{name:<12}{value}" for name, value in pairs)


def terminal_width() -> int | None:
    """The terminal's width in characters; None if stdout is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else None


def json_lines(rows: Sequence[object]) -> str:
    """A JSON list with a line per entry."""
    return "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]" if rows else "[]"


def params_text(params: dict[str, object]) -> str:
    """Parameters in one cell."""
    return " ".join(f"{name}={_cell(value)}" for name, value in params.items())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else _one_line(str(value))


def _one_line(text: str) -> str:
    """The text without line ends and control characters, which would break a table or a terminal."""
    return "".join(one if one.isprintable() else " " if one.isspace() else "?" for one in text)
