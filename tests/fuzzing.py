"""Odd values and spoilt files, of a generator with a fixed seed."""

import random
from typing import Any

ODD_NUMBERS = (0, -1, 1, 3, 0.5, -0.0, 1e300, 1.7e308, -1.7e308, 5e-324, 1e-300, 2**53, 2**63, 10**400, -(10**400))
ODD = (
    None,
    True,
    False,
    "",
    "a",
    "x\n\x1b[2J",
    "\ud800",
    "é" * 300,
    [],
    {},
    [[1]],
    {"": 1},
    {"_name": "a"},
    [None] * 50,
)


def odd_value(draw: random.Random, depth: int = 3) -> Any:
    """A JSON value that few programs expect."""
    kind = draw.randrange(10)
    if kind < 4:
        return draw.choice(ODD_NUMBERS)
    if kind < 7 or depth == 0:
        return draw.choice(ODD)
    if kind == 7:
        nested: Any = 1
        for _ in range(draw.choice((5, 90, 150, 900))):
            nested = [nested] if draw.random() < 0.5 else {"a": nested}
        return nested
    values = [odd_value(draw, depth - 1) for _ in range(draw.randrange(4))]
    return values if kind == 8 else dict(zip("abcd", values, strict=False))


def changed(value: Any, draw: random.Random) -> Any:
    """A JSON value with one thing in it replaced, left out, doubled or renamed."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        name = draw.choice(list(value))
        kind = draw.randrange(8)
        if kind == 0:
            return {key: item for key, item in value.items() if key != name}
        if kind == 1:
            return {**value, draw.choice(("odd", "", "a/b", "x\n", "\ud800", "n" * 500)): value[name]}
        return {**value, name: changed(value[name], draw)}
    if isinstance(value, list) and value and draw.random() < 0.9:
        place = draw.randrange(len(value))
        kind = draw.randrange(8)
        if kind == 0:
            return value[:place] + value[place + 1 :]
        if kind == 1:
            return [*value, value[place]]
        return [*value[:place], changed(value[place], draw), *value[place + 1 :]]
    return odd_value(draw)


def spoilt(content: bytes, draw: random.Random, words: tuple[bytes, ...]) -> bytes:
    """Bytes with a few flipped, cut, doubled, or with odd words put in."""
    found = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 5))):
        place = draw.randrange(len(found) + 1)
        kind = draw.randrange(6)
        if kind == 0 and place < len(found):
            found[place] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del found[place : place + draw.choice((1, 4, 30, 10_000))]
        elif kind == 2:
            found[place:place] = found[place : place + draw.choice((1, 20, 300))] * draw.choice((1, 2, 50))
        elif kind == 3 and place < len(found):
            found[place] = draw.randrange(256)
        else:
            found[place:place] = draw.choice(words) * draw.choice((1, 1, 3, 1000))
    return bytes(found)
