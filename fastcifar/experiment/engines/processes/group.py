"""Our process groups: separate from the driver, and ended with everything that they have started."""

import os
import signal
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from fastcifar.experiment.engines.processes.ends import death_with_parent
from fastcifar.experiment.engines.processes.keeper import announce
from fastcifar.experiment.engines.processes.marks import PROC, STARTED, Found, find, pids, stat

UNSURE_SECONDS = 0.25  # in which a process with an empty environment gets one
SHARE = 0.2  # of the time, at most, is spent looking for processes


def child_setup(pipe: int) -> Callable[[], None]:
    """A `preexec_fn`: the child announces itself to the keeper at the other end of `pipe`, and accepts SIGINT even if
    the driver ignores it. On Linux it dies with the driver, or more exactly with the thread that started it.
    """
    die_with_driver, driver = death_with_parent(), os.getpid()

    def setup() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # `nohup fastcifar ... &` has it ignored
        announce(pipe)
        die_with_driver()
        if os.getppid() != driver:  # it died before that
            os.kill(os.getpid(), signal.SIGKILL)

    return setup


class Ending:
    """Ends a group and all marked processes: a signal now, SIGKILL `grace` seconds later.

    It never waits: poll `done`. since: the start time of the first of these processes, in ticks since boot.
    group: the process group, until it is empty.
    """

    def __init__(
        self,
        group: int | None,
        grace: float,
        marks: Collection[str] = (),
        since: int = 0,
        signal_number: signal.Signals = signal.SIGINT,
    ) -> None:
        self.group, self._marks, self._since = group, marks, since
        now = time.monotonic()
        self._kill_at, self._sure_at, self._look_at = now + grace, now + UNSURE_SECONDS, now
        self._known: dict[int, int] = {}
        _send(self.group, self._find(), signal_number)

    def done(self) -> bool:
        """Whether all these processes have ended."""
        now = time.monotonic()
        if now < self._look_at:
            return False
        found = self._find()
        left = bool(found.groups) or (not PROC.is_dir() and self.group is not None and alive(self.group))
        if left and now >= self._kill_at:
            _send(self.group, found, signal.SIGKILL)  # again each time: a process may have forked meanwhile
        self._look_at = now + (time.monotonic() - now) / SHARE
        return not left and not (found.unsure and now < self._sure_at)

    def _find(self) -> Found:
        """The remaining processes, with children of those found before. An empty group is forgotten."""
        found = find(self._marks, self.group, self._known, self._since)
        self._known = dict(found.starts)
        if PROC.is_dir() and self.group not in found.groups.values():
            self.group = None  # its number may become another's
        return found


def kill_all(group: int | None, marks: Collection[str], patience: float = 1.0) -> None:
    """Kill a group and all marked processes; repeat until none remains, for at most `patience` seconds."""
    until, known = time.monotonic() + patience, dict[int, int]()
    while True:
        found = find(marks, group, known)
        known = dict(found.starts)
        _send(group, found, signal.SIGKILL)
        if not found.groups or time.monotonic() >= until:
            return
        time.sleep(0.002)


def alive(group: int) -> bool:
    """Whether a process of the group still runs. Zombies do not count: a container's init may never reap them."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return bool(_members(group)) if PROC.is_dir() else True


def started(pid: int) -> int:
    """Start time of a process in ticks since boot; 0 if unknown."""
    fields = stat(pid)
    return 0 if fields is None else int(fields[STARTED])


def record(path: Path, leader: int) -> None:
    """Write a group to `path`: its leader's pid and start time (ticks since boot)."""
    if since := started(leader):
        path.write_text(f"{leader} {since}\n", encoding="utf-8")


def recorded(path: Path) -> int | None:
    """The group written to `path`, if its leader still lives; a process with another start time is another process."""
    try:
        leader, since = (int(word) for word in path.read_text(encoding="utf-8").split())
    except (OSError, ValueError):
        return None
    return leader if since and started(leader) == since else None


def _send(group: int | None, found: Found, number: signal.Signals) -> None:
    """Send a signal to a group, and once to each process found outside it."""
    with suppress(ProcessLookupError, PermissionError):
        if group is not None:
            os.killpg(group, number)
    for pid, its in found.groups.items():
        if its != group:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)


def _members(group: int) -> list[int]:
    """The pids of a group's processes, without zombies."""
    found = ((pid, stat(pid)) for pid in pids())
    return [pid for pid, fields in found if fields and fields[2] == str(group) and fields[0] not in ("Z", "X")]
