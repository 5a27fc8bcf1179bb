"""The part of a large parameter that a smaller network has."""

from collections.abc import Sequence

Part = tuple[slice, ...]


def part(full: Sequence[int], wanted: Sequence[int]) -> Part:
    """The part of shape `wanted` of a parameter of shape `full`: the first channels, and the middle of a kernel.

    A convolution's weight is (out, in, rows, columns); all others begin with channels only.
    Raises ValueError where it would not fit.
    """
    if len(full) != len(wanted) or any(have < want for have, want in zip(full, wanted, strict=True)):
        raise ValueError(f"a part of shape {tuple(wanted)} cannot be taken from one of shape {tuple(full)}")
    starts = [
        (have - want) // 2 if axis >= 2 else 0 for axis, (have, want) in enumerate(zip(full, wanted, strict=True))
    ]
    return tuple(slice(start, start + want) for start, want in zip(starts, wanted, strict=True))
