"""Columns of a table, and how they share the width of a line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from textwrap import wrap

NUMBER = re.compile(r"-|nan|[-+]?(inf|[\d,]*\.?\d+(e[-+]?\d+)?(/\d+)?)")
GAP = "  "
SHORTEST = 16  # characters that remain of a cell that is cut
CUT = "..."
WHOLE = 8  # characters of a name that is not wrapped


@dataclass(frozen=True)
class Column:
    """A name and the cells under it. cut: whether a cell that is too long is cut; otherwise it is wrapped."""

    name: str
    cells: Sequence[str]
    cut: bool = False

    @cached_property
    def number(self) -> bool:
        """Whether all cells are numbers or empty."""
        return bool(self.cells) and all(map(NUMBER.fullmatch, self.cells))

    @cached_property
    def empty(self) -> bool:
        return all(cell in ("", "-") for cell in self.cells)

    @cached_property
    def most(self) -> int:
        """Width in characters in which every cell fits on one line."""
        return max(map(len, (self.name, *self.cells)))

    @cached_property
    def least(self) -> int:
        """Smallest width in characters: no number is cut, no word is broken."""
        name = len(self.name) if len(self.name) <= WHOLE else _longest_word(self.name)
        if self.number:
            return max(name, *map(len, self.cells))
        if self.cut:
            return min(self.most, max(name, SHORTEST))
        return max(name, *map(_longest_word, self.cells), 1)

    def lines(self, text: str, width: int) -> list[str]:
        """A cell, or the name, in lines of `width`."""
        if len(text) <= width or (self.number and text != self.name):
            return [text]
        if self.cut and text != self.name:
            return [_cut(text, width)]
        return wrap(text, width, break_on_hyphens=False)

    def padded(self, text: str, width: int) -> str:
        return text.rjust(width) if self.number else text.ljust(width)


def folded(columns: Sequence[Column], width: int, indent: int) -> list[list[Column]]:
    """Columns grouped by line: all of them, or as many as fit, then as many as fit on a second line, and so on."""
    parts: list[list[Column]] = [[]]
    for column in columns:
        room = width - indent * (len(parts) > 1)
        if parts[-1] and _total([one.least for one in (*parts[-1], column)]) > room:
            parts.append([])
        parts[-1].append(column)
    return parts


def lines_of(columns: Sequence[Column], width: int) -> list[list[str]]:
    """The lines of the names, then those of each row, for columns that share lines of `width`."""
    widths = _shared(columns, width)
    rows = zip(*([column.name, *column.cells] for column in columns), strict=True)
    return [_row(columns, row, widths) for row in rows]


def _row(columns: Sequence[Column], row: Sequence[str], widths: Sequence[int]) -> list[str]:
    cells = [column.lines(text, width) for column, text, width in zip(columns, row, widths, strict=True)]
    height = max(map(len, cells))
    return [
        GAP.join(
            column.padded(lines[at] if at < len(lines) else "", width)
            for column, lines, width in zip(columns, cells, widths, strict=True)
        ).rstrip()
        for at in range(height)
    ]


def _shared(columns: Sequence[Column], width: int) -> list[int]:
    """The width of each column: the widest shrink first, none below its smallest width unless it is alone."""
    widths = [max(column.least, min(column.most, width)) for column in columns]
    while _total(widths) > width:
        wider = [place for place, column in enumerate(columns) if widths[place] > column.least]
        if not wider:
            break
        widths[max(wider, key=widths.__getitem__)] -= 1
    if len(columns) == 1 and not columns[0].number:
        return [min(widths[0], width)]
    return widths


def _cut(text: str, width: int) -> str:
    """The first words that fit, or the beginning of the first word. A value after `=` is never cut: a part of it would
    be another value."""
    words = text[: width - len(CUT)].rpartition(" ")[0]
    if words:
        return f"{words} {CUT}"
    name, equals, _ = text[: width - len(CUT)].partition("=")
    return f"{name}{equals}{CUT}"


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _longest_word(text: str) -> int:
    return max(map(len, text.split()), default=0)
