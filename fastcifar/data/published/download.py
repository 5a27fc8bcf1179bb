"""Downloads a published archive from its page or a mirror: resumed, checked, and given its name only when whole."""

import contextlib
import errno
import fcntl
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import IO

from fastcifar.data.dataset import DataError
from fastcifar.data.published.connection import Answer, Unreachable, connect
from fastcifar.data.published.layouts import BASE_URL, Archive
from fastcifar.stopping import check

MIRROR_VARIABLE = "FASTCIFAR_MIRROR"
BLOCK_BYTES = 1 << 18
NO_LOCKS_HERE = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)  # some network file systems


def fetch(archive: Archive, folder: Path, timeout_seconds: float = 10.0) -> Path:
    """Downloads `archive` into `folder`, unless it exists there, and returns its path.

    timeout_seconds: how long to wait for an answer, and for each further piece.
    Raises `Unreachable` where nothing answers, `DataError` for a wrong sum and for a folder that cannot hold it.
    """
    target = folder / archive.file_name
    part = folder / f"{archive.file_name}.part"
    url = archive_url(archive)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f".{archive.file_name}.lock", archive.file_name):
            if not target.exists():  # else another process fetched it while this one waited
                _fetch_checked(url, part, archive, timeout_seconds)
                part.replace(target)
    except OSError as error:
        room = f"a folder that can be written, with {archive.size_bytes // 1_000_000 + 1} MB free"
        raise DataError(
            f"{folder}: expected {room}, found: {error.strerror or error}; "
            "name another folder by --data-dir or FASTCIFAR_DATA"
        ) from None
    return target


def archive_url(archive: Archive) -> str:
    """The URL to fetch from: the mirror that FASTCIFAR_MIRROR names (a URL or a folder), else the published one."""
    mirror = os.environ.get(MIRROR_VARIABLE) or BASE_URL
    if "://" not in mirror:
        mirror = Path(mirror).expanduser().absolute().as_uri()
    if mirror.partition("://")[0] not in ("http", "https", "file"):
        raise DataError(f"{MIRROR_VARIABLE}: expected a http, https or file URL, or a folder, found {mirror!r}")
    return f"{mirror.rstrip('/')}/{archive.file_name}"


def _fetch_checked(url: str, part: Path, archive: Archive, timeout_seconds: float) -> None:
    resumed = _size(part) > 0
    print(f"downloading {url} ({archive.size_bytes / 1e6:.0f} MB) to {part.parent}", file=sys.stderr)
    _transfer(url, part, archive, timeout_seconds)
    found = _md5(part)
    if found != archive.md5 and resumed:  # the beginning may have been of something else
        part.unlink()
        _transfer(url, part, archive, timeout_seconds)
        found = _md5(part)
    if found != archive.md5:
        size_bytes = _size(part)
        part.unlink()
        raise DataError(
            f"{url}: expected MD5 {archive.md5} ({archive.size_bytes} bytes), "
            f"found {found} ({size_bytes} bytes); the download was removed"
        )


def _transfer(url: str, part: Path, archive: Archive, timeout_seconds: float) -> None:
    """Downloads the rest of `part`. Reconnects after an early end as long as each connection makes progress."""
    while True:
        before = _size(part)
        answer = connect(url, before, timeout_seconds)
        if answer is None:  # there is nothing after what we have
            return
        end = archive.size_bytes if answer.end is None else answer.end
        try:
            with answer, part.open("ab" if answer.start else "wb") as stream:
                _copy(answer, stream, archive, url)
        except OSError:
            part.unlink(missing_ok=True)  # a full disk is not left full
            raise
        size = _size(part)
        if size >= min(end, archive.size_bytes + 1):
            return
        if size <= before:
            raise Unreachable(f"{url}: the connection ended at {size} of {end} bytes")


def _copy(answer: Answer, stream: IO[bytes], archive: Archive, url: str) -> None:
    done = answer.start
    with _progress(archive.file_name, archive.size_bytes, done) as advance:
        while done <= archive.size_bytes:  # at most one block too many: then the sum is wrong
            try:
                block = answer.body.read1(BLOCK_BYTES)  # what is there now: a stalled server loses nothing
            except TimeoutError:
                raise Unreachable(f"{url}: no more came after {done} bytes; they are kept for the next try") from None
            except (HTTPException, OSError):
                break
            if not block:
                break
            stream.write(block)
            check()
            done += len(block)
            advance(len(block))
        stream.flush()
        os.fsync(stream.fileno())


@contextlib.contextmanager
def _progress(title: str, total_bytes: int, done_bytes: int) -> Iterator[Callable[[int], object]]:
    if not sys.stderr.isatty():
        yield lambda size: None
        return
    # Imported here: a download is rare, and this import takes longer than finding the data.
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total_bytes, completed=done_bytes)
        yield lambda size: bar.advance(task, size)


@contextlib.contextmanager
def _locked(path: Path, what: str) -> Iterator[None]:
    with path.open("w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process that downloads {what}", file=sys.stderr)
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in NO_LOCKS_HERE:
                raise
        yield


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
