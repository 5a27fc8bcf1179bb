"""One connection to a server or a file, with a time limit."""

import queue
import re
import threading
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from io import BufferedIOBase
from types import TracebackType
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from fastcifar.data.dataset import DataError

RANGE_NOT_SATISFIABLE = 416
PARTIAL_CONTENT = 206


class Unreachable(DataError):
    """No answer or no useful one: probably no network."""


@dataclass(frozen=True)
class Answer:
    """A server's answer: a body, and its place in the file."""

    body: BufferedIOBase
    start: int  # the first byte of the body is this byte of the file
    end: int | None  # the size of the file, where the server says it

    def __enter__(self) -> "Answer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.body.close()


def connect(url: str, start: int, timeout_seconds: float) -> Answer | None:
    """Asks for the file at `url` from byte `start` on; the answer may still begin at 0.

    Returns None where the file has no bytes from `start` on. Raises `Unreachable`.
    """
    response = _open_in_time(url, start, timeout_seconds)
    if isinstance(response, HTTPError) and response.code == RANGE_NOT_SATISFIABLE and start:
        return None
    if isinstance(response, HTTPError):
        raise Unreachable(f"{url}: the server answered {response.code} {response.reason}")
    if isinstance(response, Exception):
        raise Unreachable(f"{url}: {getattr(response, 'reason', None) or response}")
    begin = _begin(response.headers) if response.status == PARTIAL_CONTENT else 0
    if begin not in (0, start):
        response.close()
        if start == 0:
            raise Unreachable(f"{url}: the server answered with another part of the file than was asked for")
        return connect(url, 0, timeout_seconds)
    length = response.headers.get("Content-Length", "")
    return Answer(body=response, start=begin, end=begin + int(length) if length.isdecimal() else None)


def _begin(headers: Message) -> int:
    found = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def _open_in_time(url: str, start: int, timeout_seconds: float) -> Any:
    """The response, or the exception. It runs in a thread, because name lookup has no time limit."""
    headers = {"User-Agent": "fastcifar"} | ({"Range": f"bytes={start}-"} if start else {})
    results: queue.Queue[Any] = queue.Queue()

    def ask() -> None:
        try:
            results.put(urlopen(Request(url, headers=headers), timeout=timeout_seconds))
        except (HTTPException, OSError, URLError, ValueError) as error:
            results.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return results.get(timeout=timeout_seconds)
    except queue.Empty:
        return TimeoutError(f"no answer within {timeout_seconds:g} s")
