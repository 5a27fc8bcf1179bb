"""The files of a dataset, one after the other, from a folder or straight out of a tar.gz."""

import gzip
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from fastcifar.data.dataset import DataError
from fastcifar.tar import Capped, TarError, members, unpacked

SPARE_BYTES = 1 << 24  # in an archive, for headers, padding and read-me files


def from_folder(folder: Path, wanted: Mapping[str, int], optional: str) -> Iterator[tuple[str, bytes]]:
    """Yields (name, content) of each wanted file. `wanted`: name -> maximum size in bytes.

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
    limit_bytes = sum(wanted.values()) + SPARE_BYTES

    def too_much() -> None:
        raise DataError(f"{archive}: expected at most {limit_bytes} bytes when unpacked, found more")

    try:
        with unpacked(archive, limit_bytes, too_much) as stream:
            for name, content in _wanted_members(stream, wanted, archive):
                found.append(name)
                yield name, content
    except EOFError:
        raise DataError(f"{archive}: expected a whole tar.gz, found one that is cut off") from None
    except (TarError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{archive}: expected a whole tar.gz, found a damaged one ({error})") from None
    except OSError as error:
        raise DataError(f"{archive}: cannot be read ({error.strerror})") from None
    missing = [name for name in wanted if name not in found and name != optional]
    if missing:
        raise DataError(f"{archive}: expected {missing[0]} in it, found {', '.join(found) or 'none of its files'}")


def _wanted_members(stream: Capped, wanted: Mapping[str, int], archive: Path) -> Iterator[tuple[str, bytes]]:
    seen = set()
    for member in members(stream):
        name = member.name.rpartition("/")[2]
        if name not in wanted or member.kind != "file":
            continue
        if name in seen:
            raise DataError(f"{archive}: expected {name} once, found it again")
        seen.add(name)
        _check_size(f"{archive}: {name}", member.size, wanted[name])
        yield name, member.read(member.size)


def _check_size(label: object, size_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        raise DataError(f"{label}: expected at most {limit_bytes} bytes, found more")
