import io
import tarfile
import time
import tracemalloc

import pytest

from fastcifar.tar import MAX_EXTENDED_BYTES, Capped, TarError, members

FORMATS = {"pax": tarfile.PAX_FORMAT, "gnu": tarfile.GNU_FORMAT, "ustar": tarfile.USTAR_FORMAT}


def refuse() -> None:
    raise AssertionError("too much was read")


def read(content: bytes) -> list[tuple[str, str, bytes]]:
    stream = Capped(io.BytesIO(content), len(content), refuse)
    return [(member.name, member.kind, member.read(1 << 30)) for member in members(stream)]


def archive(format: int, *entries: tuple[str, bytes, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as tar:
        for name, kind, content in entries:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.mtime = kind, len(content), 1.5
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("format", FORMATS)
def test_reads_what_tarfile_writes(format: str) -> None:
    long = "/".join(["a" * 40] * (5 if format == "ustar" else 9)) + "/b"
    entries = [("top", tarfile.DIRTYPE, b""), ("top/x", b"0", b"12345"), ("top/full", b"0", b"x" * 1024)]
    entries += [("top/\xe9", b"0", b"y"), (long, b"0", b"z" * 513), ("top/empty", b"0", b"")]
    found = read(archive(FORMATS[format], *entries))
    assert [(name.rstrip("/"), kind) for name, kind, _ in found] == [
        (name, "folder" if kind == tarfile.DIRTYPE else "file") for name, kind, _ in entries
    ]
    assert [content for *_, content in found] == [content for *_, content in entries]


def test_what_is_not_read_is_passed_over_and_links_have_no_content() -> None:
    content = archive(tarfile.PAX_FORMAT, ("a", b"0", b"1" * 700), ("l", tarfile.SYMTYPE, b""), ("b", b"0", b"2"))
    stream = Capped(io.BytesIO(content), len(content), refuse)
    assert [(m.name, m.kind, m.size) for m in members(stream)] == [
        ("a", "file", 700),
        ("l", "other", 0),
        ("b", "file", 1),
    ]


def header(name: bytes, size: bytes, kind: bytes) -> bytes:
    block = bytearray(512)
    block[: len(name)], block[124 : 124 + len(size)], block[156:157] = name, size, kind
    block[148:156] = b" " * 8
    block[148:155] = b"%06o\0" % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"x" * 512, "number in a header"),
        (header(b"a", b"1", b"0").replace(b"a", b"b", 1), "checksum"),
        (header(b"a", b"\xff" * 12, b"0"), "number in a header"),
        (header(b"a", b"99", b"0"), "number in a header"),
        (header(b"a", b"0", b"S"), "sparse"),
        (header(b"a", b"%o" % (MAX_EXTENDED_BYTES + 1), b"x"), "a header of 65537 bytes"),
        (header(b"a", b"%o" % (MAX_EXTENDED_BYTES + 1), b"L"), "a header of 65537 bytes"),
        (header(b"a", b"10", b"x") + b"9 a=b".ljust(512, b"\n"), "pax header is damaged"),
        (header(b"a", b"10", b"x") + b"0 a=bcd\n".ljust(512, b"\0"), "pax header is damaged"),
        (header(b"a", b"10", b"x") + b"x a=bcd\n".ljust(512, b"\0"), "number in a header"),
        (header(b"a", b"30", b"x") + b"24 GNU.sparse.major=111\n".ljust(512, b"\0"), "sparse"),
        (header(b"a", b"20", b"x") + b"16 size=99999999\n".ljust(512, b"\0"), "pax header is damaged"),
    ],
)
def test_odd_headers_are_refused(content: bytes, why: str) -> None:
    with pytest.raises(TarError, match=why):
        read(content + bytes(1024))


def test_one_that_is_cut_off() -> None:
    whole = archive(tarfile.PAX_FORMAT, ("a", b"0", b"1" * 700))
    for size in (511, 513, 1023, 1025, 1535, 1537, 2000):
        with pytest.raises(EOFError):
            read(whole[:size])


def test_a_size_far_beyond_the_file_takes_no_memory() -> None:
    content = header(b"a", b"\x80" + b"\xff" * 11, b"0") + bytes(512)
    tracemalloc.start()
    try:
        with pytest.raises(EOFError):
            read(content)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_pax_header_of_many_digits_costs_nothing() -> None:
    """`tarfile` takes 20 s for 300,000 of them, and as many for a number of its records."""
    for size in (60_000, 300_000):
        content = header(b"a", b"%o" % size, b"x") + b"1" * size + bytes(-size % 512 + 1024)
        start = time.perf_counter()
        with pytest.raises(TarError):
            read(content)
        assert time.perf_counter() - start < 1
