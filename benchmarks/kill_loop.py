"""End a search by signals at random moments until it is done, and compare it with one that was left alone.

    python benchmarks/kill_loop.py [--kills 50] [--signals KILL TERM HUP QUIT INT] [--what function] [--trials 60]
                                   [--tuner GP] [--concurrency 1] [--seed 0]

Runs `fastcifar search --objective ...`, or with `--what command` one whose commands have children, and then `--resume`
in processes of their own. Each of the first --kills gets a signal at a random moment, while it starts or during its
first trials (INT twice); then one is let go on to the end. After each signal everything that was announced on stderr
must be in the store as it was announced, the search must have ended within seconds, and no process of it may be left.
At the end no trial may be missing or there twice, and with one worker (and the same seed) parameters, seeds, states,
values and reports must be those of the undisturbed search. Prints a report; exits 1 where something was lost.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastcifar.search.experiment.store import FILE, RUNNING, Store

MODULE = """
import time

def objective(params, seed, report):
    for step in range(4):
        time.sleep(0.03)
        report(params["x"] * step)
    if seed % 13 == 5:
        raise RuntimeError("bad luck")
    return {"default": -(params["x"] - 0.3) ** 2 - params["y"] ** 2, "seed": seed}
"""
PROGRAM = """
import subprocess, time, nni
child = subprocess.Popen(["sh", "-c", "sleep 300; true"])  # and its child in turn
params = nni.get_next_parameter()
for step in range(3):
    time.sleep(0.03)
    nni.report_intermediate_result(params["x"] * step)
nni.report_final_result(-(params["x"] - 0.3) ** 2 - params["y"] ** 2)
"""
SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}, "y": {"_type": "quniform", "_value": [-1, 1, 0.1]}}
ANNOUNCED = re.compile(r"^trial (\d+) (finished|stopped|failed)(?: (\S+),)?", re.MULTILINE)
SIGNALS = ("KILL", "TERM", "HUP", "QUIT", "INT")
PROMPT = 12.0  # seconds from a signal to the end: two of grace, five that a command has to clean up, a busy machine
GONE = 5.0  # seconds from the end of the search to that of the last process that it has begun


@dataclass(kw_only=True)
class Tally:
    """What has happened so far."""

    announced: dict[int, tuple[str, str]] = field(default_factory=dict)
    runs: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0  # seconds from a signal to the end
    wrong: list[str] = field(default_factory=list)


def command(folder: Path, out: Path, options: argparse.Namespace) -> list[str]:
    """The search, or its resumption where there is something to resume."""
    program = [sys.executable, "-m", "fastcifar.search", "--out", str(out)]
    found = [path.parent for path in out.glob(f"*/{FILE}")]
    assert len(found) < 2, "a second experiment was made"
    if found:
        return [*program, "--resume", found[0].name]
    flags = {"trials": options.trials, "seed": options.seed, "tuner": options.tuner, "assessor": "Medianstop"}
    flags |= {"concurrency": options.concurrency, "space": folder / "space.json"}
    if options.what == "command":
        flags["command"] = f"{sys.executable} {folder / 'program.py'}"
    else:
        flags["objective"] = "objective:objective"
    return [*program, *(word for name, value in flags.items() for word in (f"--{name}", str(value)))]


def stored(out: Path) -> dict[int, tuple[Any, ...]]:
    """The trials that have ended, without their times; {} where there is no experiment yet."""
    found = list(out.glob(f"*/{FILE}"))
    if not found:
        return {}
    store = Store.read(found[0].parent)
    reports = store.reports()
    rows = [row for row in store.trials() if row.state != RUNNING]
    store.close()
    return {
        row.number: (row.kind, row.params, row.seed, row.state, row.value, row.message, reports.get(row.number))
        for row in rows
    }


def run(folder: Path, out: Path, options: argparse.Namespace, moment: float, name: str, tally: Tally) -> int:
    """Run the search, and send it the signal after `moment` seconds, if it has not ended; its exit code."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "KILL_LOOP": str(folder)}
    with (folder / "stderr").open("w+") as stderr:
        words = command(folder, out, options)
        process = subprocess.Popen(
            words,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=environment,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            end(process, name, tally)
        stderr.seek(0)
        text = stderr.read()
    compare_announced(text, stored(out), tally)
    left = processes_left(folder)
    tally.wrong += [f"left after {name}: {', '.join(left)}"] if left else []
    tally.wrong += ["a traceback:\n" + text] if "Traceback" in text and process.returncode != -signal.SIGINT else []
    return process.returncode


def end(process: "subprocess.Popen[bytes]", name: str, tally: Tally) -> None:
    """Send the signal, INT twice, and wait."""
    tally.sent[name] += 1
    began = time.monotonic()
    process.send_signal(getattr(signal, f"SIG{name}"))
    if name == "INT":
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
        process.send_signal(signal.SIGINT)
    process.wait()
    seconds = time.monotonic() - began
    tally.slowest = max(tally.slowest, seconds)
    if seconds > PROMPT:
        tally.wrong.append(f"{name}: it took {seconds:.1f} s to the end, with exit code {process.returncode}")


def compare_announced(text: str, rows: dict[int, tuple[Any, ...]], tally: Tally) -> None:
    """Look whether everything that was announced is stored."""
    before = len(tally.announced)
    for number, state, value in ANNOUNCED.findall(text):
        if tally.announced.setdefault(int(number), (state, value)) != (state, value):
            tally.wrong.append(f"trial {number} was announced twice, differently")
    for one, (state, value) in tally.announced.items():
        if one not in rows or rows[one][3] != state or (value and f"{rows[one][4]:.6g}" != value):
            tally.wrong.append(f"trial {one} was announced as {state} {value}; stored: {rows.get(one)}")
    tally.runs["with new trials" if len(tally.announced) > before else "without"] += 1


def processes_left(folder: Path) -> list[str]:
    """What still runs of all that was begun for the search, after a while; found by its environment."""
    mark, until = os.fsencode(f"KILL_LOOP={folder}"), time.monotonic() + GONE
    while True:
        left = []
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (path / "environ").read_bytes().split(b"\0"):
                    left.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--signals", nargs="+", choices=SIGNALS, default=["KILL"], help="one after the other")
    parser.add_argument("--what", choices=("function", "command"), default="function")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--tuner", default="GP")
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of the search and of the moments")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "objective.py").write_text(MODULE)
        (folder / "program.py").write_text(PROGRAM)
        (folder / "space.json").write_text(json.dumps(SPACE))
        wrong = killed_and_calm(folder, options)
    sys.exit(bool(wrong))


def killed_and_calm(folder: Path, options: argparse.Namespace) -> list[str]:
    """Run a search that is left alone and one that is not; print the report, return what is wrong."""
    rng, tally = random.Random(options.seed), Tally()
    calm, killed = folder / "calm", folder / "killed"
    began = time.monotonic()
    code = run(folder, calm, options, 3600.0, "KILL", Tally())
    assert code == 0, (folder / "stderr").read_text()
    times = [row.started for row in Store.read(next(calm.glob(f"*/{FILE}")).parent).trials()]
    start = time.monotonic() - began - (times[-1] - times[0])  # of the program, with its end
    each = (times[-1] - times[0]) / (len(times) - 1)
    kills = 0
    while True:
        moment = rng.uniform(0.6 * start, start + 4 * each)
        name = options.signals[kills % len(options.signals)]
        code = run(folder, killed, options, moment if kills < options.kills else 3600.0, name, tally)
        if code == 0:
            break
        wanted = {-getattr(signal, f"SIG{name}")} | ({130} if name in ("TERM", "HUP", "INT") else set())
        if code not in wanted:
            tally.wrong.append(f"{name}: exit code {code}\n{(folder / 'stderr').read_text()}")
        kills += 1
    rows, want = stored(killed), stored(calm)
    wrong = tally.wrong
    wrong += [f"trial {number} is missing" for number in want.keys() - rows.keys()]
    wrong += [f"trial {number} is too much" for number in rows.keys() - want.keys()]
    if options.concurrency == 1:
        wrong += [f"trial {n} differs: {rows[n]}, not {want[n]}" for n in want if n in rows and rows[n] != want[n]]
    print_report(options, tally, rows, time.monotonic() - began)
    return wrong


def print_report(options: argparse.Namespace, tally: Tally, rows: dict[int, tuple[Any, ...]], seconds: float) -> None:
    """What was done, and what has come of it."""
    states = Counter(row[3] for row in rows.values())
    sent = ", ".join(f"{count} {name}" for name, count in sorted(tally.sent.items()))
    runs = tally.runs
    print(f"signals: {sent} ({runs['with new trials']} of the runs ended trials, {runs['without']} ended none)")
    print(f"{tally.slowest:.1f} s from a signal to the end of the search, at most")
    print(f"{len(rows)} trials: {', '.join(f'{count} {state}' for state, count in states.most_common())}")
    same = "the same as an undisturbed search" if options.concurrency == 1 else "none missing, none twice"
    print("\n".join(tally.wrong) or f"nothing lost, nothing twice, no process left; {same}")
    print(f"{options.what}, {options.tuner}, {options.concurrency} at a time; {seconds:.0f} s in all")


if __name__ == "__main__":
    main()
