"""Process groups of ours: apart from the driver, ended whole, with the driver at the latest."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

PROC = Path("/proc")
PR_SET_PDEATHSIG = 1  # linux/prctl.h
KEEPER = """
while read -r line; do [ "$line" = end ] && exit; groups=$line; done
for group in $groups; do kill -s KILL -- -$group; done
"""


def child_setup() -> Callable[[], None]:
    """A `preexec_fn`: the child takes SIGINT even where the driver ignores it and, on Linux, dies with the driver.

    It dies with the thread that started it, to be exact.
    """
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    driver = os.getpid()

    def setup() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # `nohup fastcifar ... &` has it ignored
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
            if os.getppid() != driver:  # it died before prctl
                os.kill(os.getpid(), signal.SIGKILL)

    return setup


class Keeper:
    """Kills groups when this process is gone, however it went: a shell at the other end of a pipe.

    A child dies with its parent where it asks for it (`child_setup`), but a grandchild does not.
    """

    def __init__(self) -> None:
        self._told: list[int] = []
        self._shell: subprocess.Popen[bytes] | None = None

    def keep(self, groups: Iterable[int]) -> None:
        """Say which groups live; those of an earlier call that are not among them are left alone from now on."""
        groups = sorted(groups)
        if groups == self._told:
            return
        self._told = groups
        if self._shell is None:
            self._shell = _shell()
        self._say(" ".join(map(str, groups)))

    @property
    def pipe(self) -> IO[bytes] | None:
        """Our end, which a copy of this process has to close: the shell waits for the last one."""
        return None if self._shell is None else self._shell.stdin

    def close(self) -> None:
        """Let the groups be."""
        if self._shell is not None:
            self._say("end")  # and not the pipe's end, for which a copy of this process might let us wait
            self._shell.communicate()
        self._told, self._shell = [], None

    def _say(self, line: str) -> None:
        assert self._shell is not None and self._shell.stdin is not None
        with suppress(OSError):  # somebody has killed it
            self._shell.stdin.write(f"{line}\n".encode())


def _shell() -> "subprocess.Popen[bytes]":
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(
        ["/bin/sh", "-c", KEEPER],
        stdin=subprocess.PIPE,
        stdout=nowhere,
        stderr=nowhere,
        start_new_session=True,
        bufsize=0,
    )


class Ending:
    """The end of a process group: SIGINT now, SIGKILL `grace` seconds later. Nothing here waits: ask `done` often."""

    def __init__(self, group: int, grace: float) -> None:
        self._group = group
        self._kill_at = time.monotonic() + grace
        _send(group, signal.SIGINT)

    def done(self) -> bool:
        """Whether nothing of the group is left."""
        if not alive(self._group):
            return True
        if time.monotonic() >= self._kill_at:
            _send(self._group, signal.SIGKILL)  # again each time: a process may have forked meanwhile
        return False


def alive(group: int) -> bool:
    """Whether a process of the group still runs; zombies do not count, which a container's init may never reap."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return bool(_members(group)) if PROC.is_dir() else True


def record(path: Path, leader: int) -> None:
    """Note a group at `path` by its leader's pid and start time (ticks since boot)."""
    fields = _stat(leader)
    if fields is not None:
        path.write_text(f"{leader} {fields[19]}\n", encoding="utf-8")


def recorded(path: Path, variable: str) -> int | None:
    """The group noted at `path`, where it still lives.

    It is the same group, and not a later one of that number, where its leader started at the noted time or, once the
    leader is gone, where one of its processes has `variable` ('NAME=value') in its environment.
    """
    try:
        leader, started = path.read_text(encoding="utf-8").split()
        group = int(leader)
    except (OSError, ValueError):
        return None
    fields = _stat(leader)
    if fields is not None:
        same = fields[19] == started
    else:
        same = any(variable in _environment(pid) for pid in _members(group))
    return group if same and alive(group) else None


def _send(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _members(group: int) -> list[str]:
    """The pids of a group's processes, without zombies."""
    pids = []
    for folder in PROC.glob("[0-9]*"):
        fields = _stat(folder.name)
        if fields is not None and fields[2] == str(group) and fields[0] not in ("Z", "X"):
            pids.append(folder.name)
    return pids


def _stat(pid: int | str) -> list[str] | None:
    """The fields of a process after its name: state, parent, group, ... (19: start time); None where it is gone."""
    try:
        text = (PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    return text.rpartition(b")")[2].decode().split()


def _environment(pid: str) -> list[str]:
    try:
        return os.fsdecode((PROC / pid / "environ").read_bytes()).split("\0")
    except OSError:
        return []
