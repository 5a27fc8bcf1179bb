"""Finds our processes by a word in their environment. Their children inherit it, in any session.

Linux only: on other systems no process is found by its mark.
"""

import hashlib
import os
import secrets
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
VARIABLE = "FASTCIFAR_MARKS"  # words; a search inside a trial adds its own
STARTED, VSIZE = 19, 20  # fields of `stat`


def new_mark() -> str:
    """A unique word."""
    return secrets.token_hex(8)


def mark_of(folder: Path) -> str:
    """The mark of a trial's processes, in all its attempts, made from the trial's folder."""
    return hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]


def marked(environment: Mapping[str, str], *marks: str) -> dict[str, str]:
    """An environment with further marks."""
    return {**environment, VARIABLE: " ".join([*environment.get(VARIABLE, "").split(), *marks])}


@dataclass(frozen=True, kw_only=True)
class Found:
    """Our processes, by number: their groups, and their start times in ticks since boot.

    unsure: whether a process with an empty environment may be ours. Any process has one for an instant during exec.
    """

    groups: Mapping[int, int]
    starts: Mapping[int, int]
    unsure: bool = False


def find(
    marks: Collection[str], leader: int | None = None, known: Mapping[int, int] | None = None, since: int = 0
) -> Found:
    """The living processes with a mark in their environment, those of a leader's group or session, those found before
    (`known`: their `starts`), and all children of these.

    since: start time of the first of them; only later processes can be unsure.
    """
    assert all(marks), "nothing would mean everything"
    wanted, known = [mark.encode() for mark in marks], known or {}
    parents: dict[int, int] = {}
    groups: dict[int, int] = {}
    starts: dict[int, int] = {}
    ours: set[int] = set()
    unsure = False
    for pid in pids():
        fields = stat(pid)
        if fields is None or fields[VSIZE] == "0" or pid == os.getpid():
            continue  # zombies and the kernel's own threads have no memory
        parents[pid], groups[pid], session = map(int, fields[1:4])
        starts[pid] = int(fields[STARTED])
        environment = _environment(pid)
        mine = any(mark in (environment or b"") for mark in wanted)
        if mine or leader in (groups[pid], session) or known.get(pid) == starts[pid]:
            ours.add(pid)
        elif environment == b"" and starts[pid] >= since > 0:
            unsure = True
    more = ours
    while more:
        more = {pid for pid, parent in parents.items() if parent in ours and pid not in ours}
        ours |= more
    return Found(groups={pid: groups[pid] for pid in ours}, starts={pid: starts[pid] for pid in ours}, unsure=unsure)


def pids() -> Iterator[int]:
    """All visible processes."""
    if PROC.is_dir():
        yield from (int(name) for name in os.listdir(PROC) if name.isdigit())  # noqa: PTH208


def stat(pid: int) -> list[str] | None:
    """The fields of a process after its name: state, parent, group, session, ...; None if it has ended."""
    text = _read(f"/proc/{pid}/stat")
    return text.rpartition(b")")[2].decode().split() if text else None


def _environment(pid: int) -> bytes | None:
    """The environment at the start of the process, each entry ended by a zero byte; None if we may not read it."""
    return _read(f"/proc/{pid}/environ")


def _read(path: str) -> bytes | None:
    """A file of /proc, read by system calls for speed: there may be thousands of processes."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        parts = []
        while part := os.read(descriptor, 2**16):
            parts.append(part)
        return b"".join(parts)
    except OSError:
        return None
    finally:
        os.close(descriptor)
