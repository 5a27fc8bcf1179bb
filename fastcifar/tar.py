"""Reads an untrusted tar archive as a stream.

Python's `tarfile` follows chains of links out of the folder (CVE-2025-4517), and takes minutes over a long pax header.
Here a header is 512 bytes, a long name is bounded, only plain files have content, and nothing is written.
The formats are POSIX ustar and pax, and GNU tar: https://www.gnu.org/software/tar/manual/html_node/Standard.html
"""

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, cast

BLOCK = 512
PIECE_BYTES = 1 << 20
MAX_EXTENDED_BYTES = 1 << 16  # of a pax header or a long name; tar writes a few hundred, macOS a few thousand
FILES, FOLDER = (b"0", b"\0", b"7"), b"5"
WITHOUT_CONTENT = (b"1", b"2", b"3", b"4", FOLDER, b"6")  # links, devices, folders, pipes
PAX, PAX_FOR_ALL, LONG_NAME, LONG_LINK, SPARSE = b"x", b"g", b"L", b"K", b"S"


class TarError(Exception):
    """Not a tar archive, a damaged one, or one with more than plain files and folders need."""


class Member:
    """One entry. kind: `other` is a link, a device, or an unknown type. size: bytes of the content."""

    def __init__(
        self, name: str, kind: Literal["file", "folder", "other"], size: int, executable: bool, stream: "Capped"
    ) -> None:
        self.name, self.kind, self.size, self.executable = name, kind, size, executable
        self._stream, self._left = stream, size

    def read(self, most: int) -> bytes:
        """The next bytes of the content, at most `most`; empty at its end. Raises EOFError if it is cut off."""
        wanted = min(most, self._left)
        piece = self._stream.read(wanted) if wanted else b""
        if len(piece) < wanted:
            raise EOFError(f"{self.name} is cut off")
        self._left -= wanted
        return piece

    def skip(self) -> None:
        """Go to the next header."""
        while self.read(PIECE_BYTES):
            pass
        if len(self._stream.read(-self.size % BLOCK)) < -self.size % BLOCK:
            raise EOFError(f"{self.name} is cut off")


class Capped:
    """A stream that reads at most `limit` bytes, because a small archive can unpack to any size.

    too_much: called beyond the limit; it raises the error.
    """

    def __init__(self, stream: IO[bytes], limit: int, too_much: Callable[[], None]) -> None:
        self.stream, self.left, self.too_much = stream, limit, too_much

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end."""
        piece = self.stream.read(size)
        self.left -= len(piece)
        if self.left < 0:
            self.too_much()
        return piece

    def finish(self) -> None:
        """Read to the end, where gzip checks its checksum."""
        while self.read(PIECE_BYTES):
            pass


@contextmanager
def unpacked(path: Path, limit: int, too_much: Callable[[], None]) -> Iterator[Capped]:
    """The content of a gzip file as a stream of at most `limit` bytes; at the end of the block its rest is checked.

    too_much: see `Capped`. Raises OSError, EOFError, zlib.error and gzip.BadGzipFile.
    """
    with gzip.open(path) as file:
        stream = Capped(cast(IO[bytes], file), limit, too_much)
        yield stream
        stream.finish()


def members(stream: Capped) -> Iterator[Member]:
    """The entries in order; unread content of an entry is skipped.

    Raises TarError, and EOFError if the archive is cut off.
    """
    name, size = None, None  # which the headers before the entry's own say
    while True:
        header = stream.read(BLOCK)
        if len(header) not in (0, BLOCK):
            raise EOFError("a header is cut off")
        if not header.strip(b"\0"):  # a block of zeros, or the end of the file
            if name is not None or size is not None:
                raise EOFError("an entry is cut off")
            return
        _check_sum(header)
        kind = header[156:157]
        length = _number(header[124:136])
        if kind in (PAX, PAX_FOR_ALL, LONG_NAME, LONG_LINK):
            content = _extended(stream, length)
            if kind == PAX:
                records = _pax_records(content)
                name = records.get(b"path", name)
                size = _digits(records[b"size"]) if b"size" in records else size
            elif kind == LONG_NAME:
                name = content.rstrip(b"\0")
            continue
        if kind == SPARSE:
            raise TarError("a sparse file is in it")
        member = _member(header, name, length if size is None else size, stream)
        yield member
        member.skip()
        name, size = None, None


def _member(header: bytes, name: bytes | None, size: int, stream: Capped) -> Member:
    kind = header[156:157]
    if name is None:
        name = header[:100].partition(b"\0")[0]
        prefix = header[345:500].partition(b"\0")[0]
        if prefix and header[257:263] == b"ustar\0":
            name = prefix + b"/" + name
    is_folder = kind == FOLDER or (kind in FILES and name.endswith(b"/"))
    return Member(
        name=name.decode("utf-8", "surrogateescape"),
        kind="folder" if is_folder else "file" if kind in FILES else "other",
        size=0 if is_folder or kind in WITHOUT_CONTENT else size,
        executable=bool(_number(header[100:108]) & 0o100),
        stream=stream,
    )


def _check_sum(header: bytes) -> None:
    if sum(header[:148]) + 8 * ord(" ") + sum(header[156:]) != _number(header[148:156]):
        raise TarError("a header's checksum is wrong")


def _number(field: bytes) -> int:
    """Octal digits, or GNU's big-endian bytes after 0x80."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.partition(b"\0")[0].strip(b" ")
    try:
        return int(digits or b"0", 8) if digits.isdigit() or not digits else _wrong()
    except ValueError:  # an 8 or a 9
        return _wrong()


def _digits(text: bytes) -> int:
    return int(text) if text.isdigit() and len(text) <= 18 else _wrong()


def _wrong() -> int:
    raise TarError("a number in a header is wrong")


def _extended(stream: Capped, length: int) -> bytes:
    if length > MAX_EXTENDED_BYTES:
        raise TarError(f"a header of {length} bytes is in it, and at most {MAX_EXTENDED_BYTES} are read")
    whole = length + -length % BLOCK
    content = stream.read(whole)
    if len(content) < whole:
        raise EOFError("a header is cut off")
    return content[:length]


def _pax_records(content: bytes) -> dict[bytes, bytes]:
    """The records of a pax header, each `length key=value` and a line's end; the length counts all of it."""
    records: dict[bytes, bytes] = {}
    start = 0
    while start < len(content) and content[start]:
        space = content.find(b" ", start, start + 8)
        end = start + _digits(content[start:space] if space > start else b"")
        key, equals, value = content[space + 1 : end - 1].partition(b"=")
        if end > len(content) or not equals or content[end - 1 : end] != b"\n":
            raise TarError("a pax header is damaged")
        if key.startswith(b"GNU.sparse"):
            raise TarError("a sparse file is in it")
        records[key] = value
        start = end
    return records
