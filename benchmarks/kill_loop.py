"""End searches and trainings by signals at random moments, go on with them, and look whether anything was lost.

    python benchmarks/kill_loop.py [--kills 200] [--kinds functions commands training supernet]
                                   [--signals KILL TERM HUP QUIT INT] [--seed 0] [--write benchmarks/results/kills.md]

Each kind (see `kill_kinds.py`) is run once undisturbed. Then it is begun, gets a signal at a random moment (INT twice),
is gone on with, gets the next one, and so on; whenever it has come to its end, another begins; the last is let go on to
its end. After each signal everything that was announced must be stored as it was announced, the command must have ended
within seconds, with the exit code of that signal, and no process of it may be left (they are found by a word in their
environment). What has ended must be all that was undisturbed, nothing twice, and where the clock decides nothing, equal
to it: parameters, seeds, states, values, reports, losses. Prints a table; exits 1 where something was lost.
"""

import argparse
import os
import platform
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kill_kinds import KINDS, PYTHON, Facts, Kind

from fastcifar.experiment.engines.processes.marks import VARIABLE, find

SIGNALS = ("KILL", "TERM", "HUP", "QUIT", "INT")
SHARES = {"functions": 0.35, "commands": 0.35, "training": 0.2, "supernet": 0.1}  # of the kills
BY_SIGNAL = {"TERM": 130, "HUP": 130, "INT": 130}  # exit codes where the signal is handled
PROMPT = 15.0  # seconds from a signal to the end: two of grace, five that a command has to clean up, a busy machine
GONE = 5.0  # seconds from the end to that of the last process that it has begun


@dataclass(kw_only=True)
class Tally:
    """What has happened to one kind. moments: seconds to the first and between all announcements, undisturbed."""

    sent: Counter[str] = field(default_factory=Counter)
    announced: int = 0
    runs: int = 0
    slowest: float = 0.0  # seconds from a signal to the end
    wrong: list[str] = field(default_factory=list)
    moments: tuple[float, float] = (0.0, 0.0)


class Loop:
    """Runs one kind again and again."""

    def __init__(self, kind: Kind, tally: Tally, signals: list[str], rng: random.Random) -> None:
        self.kind, self.tally, self.signals, self.rng = kind, tally, signals, rng
        self.out = kind.folder / "calm"
        self.said: Facts = {}  # of all sessions of what is under `out`

    def calm(self) -> Facts:
        """Run it undisturbed; all that is stored."""
        began, first = time.monotonic(), 0.0
        with self._begun() as process:
            while process.poll() is None:
                if not first and self.kind.announced(self._text()):
                    first = time.monotonic() - began
                time.sleep(0.02)
        assert process.returncode == 0, self._text()
        want = self._compared()
        self.tally.moments = first, (time.monotonic() - began - first) / max(1, len(self.said) - 1)
        return want

    def killed(self, kills: int, want: Facts) -> None:
        """Kill it so many times; then let it come to its end."""
        done = 0
        while True:
            self.tally.runs += 1
            self.out, self.said = self.kind.folder / f"killed-{self.tally.runs}", {}
            while True:
                code = self._run(self.signals[done % len(self.signals)] if done < kills else "")
                if code == 0:
                    break
                done += 1
                if self.kind.ended(self.kind.path(self.out)):
                    break
            self._same(self._compared(), want)
            if done >= kills:
                return

    def _run(self, name: str) -> int:
        """Begin or go on, and send the signal, if it has not ended before; the exit code."""
        first, each = self.tally.moments
        mark = f"kill-{os.getpid()}-{self.tally.runs}-{self.tally.sent.total()}"
        with self._begun(mark) as process:
            with suppress(subprocess.TimeoutExpired):
                process.wait(self.rng.uniform(0.3 * first, first + 4 * each) if name else None)
            if process.poll() is None:
                self._end(process, name)
        code = process.returncode
        if code not in (0, *((-getattr(signal, f"SIG{name}"), BY_SIGNAL.get(name)) if name else ())):
            self.tally.wrong.append(f"exit code {code} after {name or 'nothing'}:\n{self._text()}")
            assert name, self.tally.wrong
        until = time.monotonic() + GONE
        while (left := find([mark]).groups) and time.monotonic() < until:
            time.sleep(0.05)
        self.tally.wrong += [f"left after {name}: {', '.join(map(_command, left))}"] if left else []
        self._compared()
        return code

    def _begun(self, mark: str = "") -> "subprocess.Popen[bytes]":
        path = self.kind.path(self.out)
        words = self.kind.begin(self.out) if path is None else self.kind.go_on(path)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", VARIABLE: mark, "PYTHONUNBUFFERED": "1"}
        places = [str(self.kind.folder), os.environ.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, places))
        with (self.kind.folder / "printed").open("wb") as printed:
            return subprocess.Popen(
                [PYTHON, *words],
                cwd=self.kind.folder,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                env=environment,
                preexec_fn=_defaults,
            )

    def _end(self, process: "subprocess.Popen[bytes]", name: str) -> None:
        self.tally.sent[name] += 1
        began = time.monotonic()
        process.send_signal(getattr(signal, f"SIG{name}"))
        if name == "INT":
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.2)
            process.send_signal(signal.SIGINT)
        process.wait()
        seconds = time.monotonic() - began
        self.tally.slowest = max(self.tally.slowest, seconds)
        if seconds > PROMPT:
            self.tally.wrong.append(f"{name}: {seconds:.1f} s to the end")

    def _text(self) -> str:
        return (self.kind.folder / "printed").read_text(errors="replace")

    def _compared(self) -> Facts:
        """Look whether all that was announced is stored; return all that is."""
        for key, what in self.kind.announced(self._text()).items():
            self.tally.announced += key not in self.said
            if self.said.setdefault(key, what) != what:
                self.tally.wrong.append(f"{key} was announced as {self.said[key]} and as {what}")
        path = self.kind.path(self.out)
        said, all_of = ({}, {}) if path is None else self.kind.stored(path)
        lost = {key: what for key, what in self.said.items() if said.get(key) != what}
        self.tally.wrong += [f"{key} was announced as {what}; stored: {said.get(key)}" for key, what in lost.items()]
        return all_of

    def _same(self, found: Facts, want: Facts) -> None:
        """Compare what has come to its end with what was undisturbed."""
        self.tally.wrong += [f"{key} is missing or too much" for key in found.keys() ^ want.keys()]
        if self.kind.exact:
            differ = [key for key in found.keys() & want.keys() if found[key] != want[key]]
            self.tally.wrong += [f"{key} is {found[key]}, undisturbed {want[key]}" for key in differ]


def _defaults() -> None:
    for name in SIGNALS:  # a shell's background job ignores INT and QUIT, nohup HUP
        if name != "KILL":
            signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # of SIGQUIT


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return str(pid)


def shares(kills: int, kinds: list[str]) -> dict[str, int]:
    """The number of kills for each kind: by their shares, all together `kills`."""
    total, counts, left = sum(SHARES[kind] for kind in kinds), {}, kills
    for kind in kinds[1:]:
        counts[kind] = min(left, max(1, round(kills * SHARES[kind] / total)))
        left -= counts[kind]
    return {kinds[0]: left, **counts}


def table(tallies: dict[str, Tally], signals: list[str], seconds: float, seed: int) -> str:
    """The report as Markdown."""
    head = ["", *signals, "announced", "lost", "seconds to the end"]
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    for name, one in tallies.items():
        lost = len(one.wrong) or "nothing"
        cells = [name, *(one.sent[each] for each in signals), one.announced, lost, f"at most {one.slowest:.1f}"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    kills = sum(one.sent.total() for one in tallies.values())
    wrong = [f"- {name}: {what}" for name, one in tallies.items() for what in one.wrong]
    machine = f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return "\n".join(
        [
            f"# {kills} signals at random moments",
            "",
            f"`python benchmarks/kill_loop.py --kills {kills} --seed {seed}`: {seconds / 60:.0f} minutes on {machine}.",
            "What is counted, and when something is lost, is said in that program. INT is sent twice.",
            "",
            *lines,
            "",
            *(wrong or ["Nothing that was announced was lost or came twice, and no process was left."]),
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--kinds", nargs="+", choices=list(SHARES), default=list(SHARES))
    parser.add_argument("--signals", nargs="+", choices=SIGNALS, default=list(SIGNALS), help="one after the other")
    parser.add_argument("--seed", type=int, default=0, help="of the searches, the trainings and the moments")
    parser.add_argument("--write", type=Path, help="the file of the table, besides stdout")
    options = parser.parse_args()
    began, tallies = time.monotonic(), {}
    for kind, kills in shares(options.kills, options.kinds).items():
        made = next(one for one in KINDS if one.name.startswith(kind))
        with tempfile.TemporaryDirectory(prefix="kill-loop-") as folder:
            tally = tallies[made.name] = Tally()
            loop = Loop(made(Path(folder), options.seed), tally, options.signals, random.Random(options.seed))
            print(f"{made.name}: undisturbed, then {kills} kills", file=sys.stderr, flush=True)
            loop.killed(kills, loop.calm())
    text = table(tallies, options.signals, time.monotonic() - began, options.seed)
    print(text, end="")
    if options.write is not None:
        options.write.write_text(text, encoding="utf-8")
    sys.exit(any(tally.wrong for tally in tallies.values()))


if __name__ == "__main__":
    main()
