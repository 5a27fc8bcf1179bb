"""Ctrl-C, SIGTERM and SIGHUP set a number that loops check between two steps.

No handler raises: an exception at an arbitrary place can be swallowed there, or leave an unknown child process.
A thread reads the signals from Python's wakeup pipe, so that they count while the main thread computes. The same thread
ends the process if the main thread does not check in time.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

GRACE = 2.0  # seconds from 'stop now' to the end of the process, if no loop obeys
WAY_OUT = 10.0  # seconds for the shutdown once a loop obeys; a trial's command has 5 of them to clean up
INTERRUPTED = 130  # exit code
SHOW_CURSOR = b"\x1b[?25h"  # a live table hides it
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DONE = 0  # the number that ends the thread; no signal has it


class Stopping:
    """The stop that signals have asked for.

    asked: 0 none; 1 end after the running work; 2 stop now. It is 2 after SIGTERM, SIGHUP or a second Ctrl-C, and
        after a first Ctrl-C outside `gently`.
    last_words: returns the text for the user if the thread ends the process.
    """

    def __init__(self, leaves: bool = False) -> None:
        self.asked = 0
        self.last_words: Callable[[], str] = str
        self._leaves = leaves
        self._gentle = False
        self._obeyed = False
        self._overdue = False
        self._deadline: float | None = None
        self._terminals = [descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)]
        self._before: dict[signal.Signals, Any] = {}

    @contextmanager
    def gently(self) -> Iterator[None]:
        """Inside, the first Ctrl-C asks to end after the running work, however long that takes."""
        before, self._gentle = self._gentle, True
        try:
            yield
        finally:
            self._gentle = before

    def check(self) -> None:
        """Raise KeyboardInterrupt if a stop was asked for."""
        if self.asked:
            self.obey()

    def obey(self) -> NoReturn:
        """Raise KeyboardInterrupt, and allow WAY_OUT seconds for the shutdown."""
        if self._deadline is not None and not self._obeyed:
            self._deadline = time.monotonic() + WAY_OUT
        self._obeyed = True
        raise KeyboardInterrupt

    @contextmanager
    def _installed(self) -> Iterator[None]:
        """Handle the signals, except those that are ignored or have another handler; Ctrl-C always."""
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        found = {number: signal.getsignal(number) for number in SIGNALS}
        self._before = {
            number: handler
            for number, handler in found.items()
            if handler == signal.SIG_DFL or (number == signal.SIGINT and handler is not None)
        }
        thread = threading.Thread(target=self._listen, args=(reader,), name="signals", daemon=True)
        with reader, writer:
            pipe_before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
            thread.start()
            try:
                for number in self._before:
                    signal.signal(number, self._handle)
                yield
            finally:
                for number, handler in self._before.items():
                    signal.signal(number, handler)
                signal.set_wakeup_fd(pipe_before)
                with suppress(BlockingIOError):  # the thread ends with the process, then
                    writer.send(bytes([DONE]))
                    thread.join(GRACE)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Nothing, as the thread hears of the signal; raises when time is up and it may not end the process."""
        if self._overdue:
            raise KeyboardInterrupt

    def _listen(self, reader: socket.socket) -> None:
        while True:
            left = None if self._deadline is None else max(0.01, self._deadline - time.monotonic())
            reader.settimeout(left)
            try:
                numbers = reader.recv(4096)
            except TimeoutError:
                numbers = b""
            for number in numbers:
                if number == DONE:
                    return
                if number in self._before:
                    self._heard(number)
            if self._deadline is not None and time.monotonic() >= self._deadline:
                self._leave()

    def _heard(self, number: int) -> None:
        if number == signal.SIGHUP:
            _forget(self._terminals)
        if number == signal.SIGINT and self._gentle and not self.asked:
            self.asked = 1
            return
        self.asked = 2
        latest = time.monotonic() + GRACE
        self._deadline = latest if self._deadline is None else min(latest, self._deadline)

    def _leave(self) -> None:
        """End the process with what is on disk. Its trials end with it, as they do after `kill -9`."""
        self._deadline = None
        if not self._leaves:
            self._overdue = True
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            return
        lines = [line for line in (self.last_words(), "fastcifar: interrupted") if line]
        text = "".join(f"{line}\n" for line in lines).encode(errors="replace")
        if os.isatty(2):
            text = b"\r\x1b[K" + SHOW_CURSOR + text
        _within(0.2, lambda: sys.stdout.flush() if sys.stdout else None)
        _within(0.2, lambda: os.write(2, text))
        os._exit(INTERRUPTED)


_current: Stopping | None = None
_forking = threading.local()
_hooks: list[str] = []


@contextmanager
def stoppable(leaves: bool = False) -> Iterator[Stopping]:
    """Handle the signals in the block; a nested block uses the outer one's state. Handlers are restored afterwards.

    leaves: two seconds after 'stop now' the process ends with exit code 130, if no loop has obeyed; without it,
    KeyboardInterrupt is raised in the main thread. A block in another thread hears no signal.
    """
    global _current
    if threading.current_thread() is not threading.main_thread():
        yield Stopping()
        return
    if _current is not None:
        yield _current
        return
    if not _hooks:
        os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
        _hooks.append("registered")
    one = Stopping(leaves)
    with one._installed():
        _current = one
        try:
            yield one
        finally:
            _current = None


def check() -> None:
    """Raise KeyboardInterrupt if a signal has asked to stop. Call it between two steps."""
    if _current is not None and _current.asked and threading.current_thread() is threading.main_thread():
        _current.obey()


@contextmanager
def gently() -> Iterator[None]:
    """`Stopping.gently` if signals are handled; otherwise nothing."""
    if _current is None:
        yield
        return
    with _current.gently():
        yield


def last_words(words: Callable[[], str]) -> None:
    """Set the text for the user if the process is ended at once."""
    if _current is not None:
        _current.last_words = words


def _before_fork() -> None:
    """Block signals. One sent to the whole group would otherwise arrive twice, through the child's end of the pipe."""
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS) if _current is not None else None


def _after_fork() -> None:
    if _forking.mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


def _in_child() -> None:
    """A copy of this process prints nothing for it, and leaves signals sent to both to the original."""
    global _current
    if _current is not None:
        signal.set_wakeup_fd(-1)
        for number, handler in _current._before.items():
            signal.signal(number, signal.SIG_IGN)  # drops what waits
            signal.signal(number, _nothing if number == signal.SIGINT else handler)
        _current = None
    _after_fork()


def _nothing(number: int, frame: FrameType | None) -> None:
    """A handler that does nothing. Unlike SIG_IGN, a child program does not inherit it."""


def _forget(terminals: list[int]) -> None:
    """Send output for a closed terminal to /dev/null; the next line would raise otherwise."""
    gone = [descriptor for descriptor in terminals if not os.isatty(descriptor)]
    if gone:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in gone:
            os.dup2(nowhere, descriptor)
        os.close(nowhere)


def _within(seconds: float, function: Callable[[], object]) -> None:
    """Call it, but wait at most `seconds`: the reader of the output may have stopped reading."""

    def body() -> None:
        with suppress(Exception):
            function()

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(seconds)
