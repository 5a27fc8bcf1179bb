"""What ends our processes when this one is gone, however it went: a shell at the other end of a pipe."""

import os
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress

# Groups by number, and where there is /proc everything with the mark, until nothing is found twice.
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
    """Kills groups, and all processes with a mark, when this process is gone.

    A child dies with its parent where it asks for it (`group.child_setup`), but a grandchild does not.
    """

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._told: list[int] = []
        self._shell: subprocess.Popen[bytes] | None = None

    def begin(self) -> int:
        """Be there, before what is kept begins; return our end of the pipe.

        A child announces itself there, and closes it: the shell waits for the end of the last copy.
        """
        if self._shell is None or self._shell.poll() is not None:  # somebody has killed it
            self._shell = _shell(self._mark)
            self._say(f"= {' '.join(map(str, self._told))}")
        assert self._shell.stdin is not None
        return self._shell.stdin.fileno()

    def keep(self, groups: Iterable[int]) -> None:
        """Say which groups live; those that were told before and are not among them are left alone from now on."""
        groups = sorted(groups)
        if groups != self._told:
            self._told = groups
            self.begin()
            self._say(f"= {' '.join(map(str, groups))}")

    def close(self) -> None:
        """Let all processes be."""
        if self._shell is not None:
            self._say("end")  # and not the pipe's end, for which a copy of this process might let us wait
            self._shell.communicate()
        self._told, self._shell = [], None

    def _say(self, line: str) -> None:
        assert self._shell is not None and self._shell.stdin is not None
        with suppress(OSError):  # somebody has killed it
            self._shell.stdin.write(f"{line}\n".encode())


def announce(pipe: int) -> None:
    """Tell the keeper, from inside a new process that leads its group, of that group."""
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
