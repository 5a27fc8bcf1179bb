"""Ends our processes when this one has ended, in any way: a shell at the other end of a pipe does it."""

import os
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress

# Kills groups by number and, where /proc exists, all marked processes, until two searches find none.
SCRIPT = """
groups=
while read -r word rest; do
  case $word in
    end) exit ;;
    =) groups=$rest ;;
    +) groups="$groups $rest" ;;
  esac
done
for group in $groups; do kill -s KILL -- -$group; done
clean=0 looks=0
while [ -n "$1" ] && [ $clean -lt 2 ] && [ $looks -lt 100 ] && [ -d /proc/self ]; do
  [ $looks = 0 ] || sleep 0.1
  clean=$((clean + 1)) looks=$((looks + 1))
  for file in $(grep -lsF "$1" /proc/[0-9]*/environ); do
    pid=${file#/proc/}
    kill -s KILL "${pid%/environ}"
    clean=0
  done
done
"""


class Keeper:
    """Kills groups, and all processes with a mark, when this process has ended.

    A child can ask to die with its parent (`group.child_setup`), but a grandchild does not inherit that.
    """

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._told: list[int] = []
        self._shell: subprocess.Popen[bytes] | None = None

    def begin(self) -> int:
        """Start the shell, before the processes that it watches; return our end of the pipe.

        A child announces itself on the pipe and closes it, because the shell waits until the last copy is closed.
        """
        if self._shell is None or self._shell.poll() is not None:  # somebody has killed it
            self._shell = _shell(self._mark)
            self._say(f"= {' '.join(map(str, self._told))}")
        assert self._shell.stdin is not None
        return self._shell.stdin.fileno()

    def keep(self, groups: Iterable[int]) -> None:
        """Announce the living groups; groups that were announced before and are not in `groups` are forgotten."""
        groups = sorted(groups)
        if groups != self._told:
            self._told = groups
            self.begin()
            self._say(f"= {' '.join(map(str, groups))}")

    def close(self) -> None:
        """End the shell; it kills nothing."""
        if self._shell is not None:
            self._say("end")  # and not the pipe's end, for which a copy of this process might let us wait
            self._shell.communicate()
        self._told, self._shell = [], None

    def _say(self, line: str) -> None:
        assert self._shell is not None and self._shell.stdin is not None
        with suppress(OSError):  # somebody has killed it
            self._shell.stdin.write(f"{line}\n".encode())


def announce(pipe: int) -> None:
    """Announce a new group to the keeper, from inside the process that leads it."""
    before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    with suppress(OSError):  # somebody has killed the keeper
        os.write(pipe, b"+ %d\n" % os.getpid())
    signal.signal(signal.SIGPIPE, before)


def _shell(mark: str) -> "subprocess.Popen[bytes]":
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(
        ["/bin/sh", "-c", SCRIPT, "sh", mark],
        stdin=subprocess.PIPE,
        stdout=nowhere,
        stderr=nowhere,
        start_new_session=True,
        bufsize=0,
    )
