"""The files of a dataset, one after the other, from a folder or straight out of a tar.gz."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, cast

from fastcifar.data.dataset import DataError

BLOCK_BYTES = 1 << 20
SPARE_BYTES = 1 << 24  # in an archive, for headers, padding and read-me files


def from_folder(folder: Path, wanted: Mapping[str, int], optional: str) -> Iterator[tuple[str, bytes]]:
    """Yields (name, content) of each wanted file. `wanted`: name -> most bytes that it may have.

    The one named `optional` may be missing. Raises `DataError` for a file that is missing, too large or unreadable.
    """
    for name, limit_bytes in wanted.items():
        path = folder / name
        try:
            if path.is_file():
                with path.open("rb") as stream:
                    content = stream.read(limit_bytes + 1)
            elif name == optional and not path.exists():
                continue
            else:
                raise DataError(f"{path}: expected a file, found {'no file' if path.exists() else 'nothing'}")
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from None
        _check_size(path, len(content), limit_bytes)
        yield name, content


def from_archive(archive: Path, wanted: Mapping[str, int], optional: str) -> Iterator[tuple[str, bytes]]:
    """As `from_folder`, for a tar.gz; in the order of the archive. Nothing is written to disk."""
    found: list[str] = []
    try:
        with gzip.open(archive) as unpacked:
            capped = _Capped(unpacked, sum(wanted.values()) + SPARE_BYTES, archive)
            for name, content in _members(capped, wanted, archive):
                found.append(name)
                yield name, content
            while capped.read(BLOCK_BYTES):  # gzip checks its checksum only at its very end
                pass
    except EOFError:
        raise DataError(f"{archive}: expected a whole tar.gz, found one that is cut off") from None
    except (tarfile.TarError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{archive}: expected a whole tar.gz, found a damaged one ({error})") from None
    except OSError as error:
        raise DataError(f"{archive}: cannot be read ({error.strerror})") from None
    missing = [name for name in wanted if name not in found and name != optional]
    if missing:
        raise DataError(f"{archive}: expected {missing[0]} in it, found {', '.join(found) or 'none of its files'}")


def _members(stream: "_Capped", wanted: Mapping[str, int], archive: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|", bufsize=BLOCK_BYTES) as tar:
        for member in tar:
            name = member.name.rpartition("/")[2]
            if name not in wanted or not member.isreg():
                continue
            _check_size(f"{archive}: {name}", member.size, wanted[name])
            reader = tar.extractfile(member)
            assert reader is not None
            content = reader.read()
            if len(content) != member.size:
                raise DataError(f"{archive}: {name}: expected {member.size} bytes, found {len(content)}")
            yield name, content


def _check_size(label: object, size_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        raise DataError(f"{label}: expected at most {limit_bytes} bytes, found more")


class _Capped:
    """A stream that ends in an error rather than grow without bound: a small file can unpack to anything."""

    def __init__(self, stream: gzip.GzipFile, limit_bytes: int, archive: Path) -> None:
        self.stream, self.left_bytes, self.archive = stream, limit_bytes, archive
        self.limit_bytes = limit_bytes

    def read(self, size: int) -> bytes:
        block = self.stream.read(size)
        self.left_bytes -= len(block)
        if self.left_bytes < 0:
            raise DataError(f"{self.archive}: expected at most {self.limit_bytes} bytes when unpacked, found more")
        return block
