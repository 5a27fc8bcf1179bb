"""Unpacks an archive's plain files and folders one by one, within one folder and within limits.

Links are refused: a chain of them leads out of the folder although `tarfile`'s filter finds each harmless
(CVE-2025-4517). The limits are far above what experiments have.
"""

import gzip
import os
import zlib
from pathlib import Path

from fastcifar.experiment.store.store import StoreError
from fastcifar.names import short
from fastcifar.tar import PIECE_BYTES, Member, TarError, members, unpacked

MAX_MEMBERS = 500_000  # files and folders: 100,000 trials of a command with five files each
MAX_BYTES = 16 << 30  # of all files
FREE_BYTES, MAX_RATIO = 64 << 20, 200  # more than the first unpacks to at most so many times the archive's own size
MAX_DEPTH = 64  # folders in each other
MAX_NAME_BYTES, MAX_PATH_BYTES = 255, 2048


def unpack(archive: Path, out: Path) -> None:
    """Write a tar.gz into the empty folder `out`. Raises StoreError; then only a part may be there."""
    try:
        limit = min(MAX_BYTES, max(FREE_BYTES, MAX_RATIO * archive.stat().st_size))

        def too_much() -> None:
            raise TarError(f"it unpacks to more than {limit:,} bytes")

        with unpacked(archive, limit, too_much) as stream:
            for number, member in enumerate(members(stream)):
                if number == MAX_MEMBERS:
                    raise TarError(f"it has more than {MAX_MEMBERS:,} files and folders")
                _write(member, out)
    except EOFError:
        raise StoreError(f"{archive} is no archive of an experiment: it is cut off") from None
    except (TarError, zlib.error, gzip.BadGzipFile) as error:
        raise StoreError(f"{archive} is no archive of an experiment: {error}") from None
    except OSError as error:
        raise StoreError(f"{archive}: {error.strerror or error}") from None


def _write(member: Member, out: Path) -> None:
    parts = _parts(member)
    path = out.joinpath(*parts)
    if member.kind == "folder":
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o777 if member.executable else 0o666)  # less what the umask takes away
    except FileExistsError:
        raise TarError(f"{short(member.name)} is there twice") from None
    with os.fdopen(descriptor, "wb") as file:
        while piece := member.read(PIECE_BYTES):
            file.write(piece)


def _parts(member: Member) -> list[str]:
    """The names of an entry's folders and its own. Raises TarError for what leads anywhere else, and for odd names."""
    name, shown = member.name, short(member.name)
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if member.kind == "other":
        raise TarError(f"{shown} is no plain file or folder")
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise TarError(f"{shown} leads out of its folder")
    if not parts and member.kind == "file":
        raise TarError(f"{shown} is no name of a file")
    longest = max((len(os.fsencode(part)) for part in parts), default=0)
    if longest > MAX_NAME_BYTES or len(os.fsencode(name)) > MAX_PATH_BYTES:
        raise TarError(f"{shown} is too long a name")
    if len(parts) > MAX_DEPTH:
        raise TarError(f"{shown} lies more than {MAX_DEPTH} folders deep")
    return parts
