"""Kill a search at random moments until it is done, and compare it with one that was left alone.

    python benchmarks/kill_loop.py [--kills 50] [--trials 60] [--tuner GP] [--concurrency 1] [--seed 0]

Runs `fastcifar search --objective ...` and then `--resume` in processes of their own. Each of the first --kills is
ended by SIGKILL at a random moment, while it starts or during its first trials; then one is let go on to the end. After
each kill everything that was announced on stderr must be in the store as it was announced. At the end no trial may be
missing or there twice, and with one worker (and the same seed) parameters, seeds, states, values and reports must be
those of the undisturbed search. Prints a report; exits 1 where something was lost.
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
SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}, "y": {"_type": "quniform", "_value": [-1, 1, 0.1]}}
ANNOUNCED = re.compile(r"^trial (\d+) (finished|stopped|failed)(?: (\S+),)?", re.MULTILINE)


def command(folder: Path, out: Path, options: argparse.Namespace) -> list[str]:
    """The search, or its resumption where there is something to resume."""
    program = [sys.executable, "-m", "fastcifar.search", "--out", str(out)]
    found = [path.parent for path in out.glob(f"*/{FILE}")]
    assert len(found) < 2, "a second experiment was made"
    if found:
        return [*program, "--resume", found[0].name]
    flags = {"trials": options.trials, "seed": options.seed, "tuner": options.tuner, "assessor": "Medianstop"}
    flags |= {"concurrency": options.concurrency, "space": folder / "space.json", "objective": "objective:objective"}
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--tuner", default="GP")
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of the search and of the moments")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "objective.py").write_text(MODULE)
        (folder / "space.json").write_text(json.dumps(SPACE))
        calm, killed = folder / "calm", folder / "killed"

        def run(out: Path, seconds: float | None) -> tuple[int, str]:
            with (folder / "stderr").open("w+") as stderr:
                words = command(folder, out, options)
                process = subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=stderr, env=environment)
                try:
                    process.wait(seconds)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                stderr.seek(0)
                return process.returncode, stderr.read()

        began = time.monotonic()
        code, text = run(calm, None)
        assert code == 0, text
        times = [row.started for row in Store.read(next(calm.glob(f"*/{FILE}")).parent).trials()]
        start = time.monotonic() - began - (times[-1] - times[0])  # of the program, with its end
        each = (times[-1] - times[0]) / (len(times) - 1)
        kills, done, wrong = 0, Counter[str](), []
        announced: dict[int, tuple[str, str]] = {}
        while True:
            moment = rng.uniform(0.6 * start, start + 4 * each)
            code, text = run(killed, moment if kills < options.kills else None)
            before = len(announced)
            for number, state, value in ANNOUNCED.findall(text):
                if announced.setdefault(int(number), (state, value)) != (state, value):
                    wrong.append(f"trial {number} was announced twice, differently")
            rows = stored(killed)
            for number, (state, value) in announced.items():
                if number not in rows or rows[number][3] != state or (value and f"{rows[number][4]:.6g}" != value):
                    wrong.append(f"trial {number} was announced as {state} {value}; stored: {rows.get(number)}")
            done["with new trials" if len(announced) > before else "without"] += 1
            if code == 0:
                break
            assert code == -signal.SIGKILL, text
            kills += 1
        want = stored(calm)
        wrong += [f"trial {number} is missing" for number in want.keys() - rows.keys()]
        wrong += [f"trial {number} is too much" for number in rows.keys() - want.keys()]
        if options.concurrency == 1:
            wrong += [f"trial {n} differs: {rows[n]}, not {want[n]}" for n in want if n in rows and rows[n] != want[n]]
        states = Counter(row[3] for row in rows.values())
        print(f"{kills} kills ({done['with new trials']} of the runs ended trials, {done['without']} ended none)")
        print(f"{len(rows)} trials: {', '.join(f'{count} {state}' for state, count in states.most_common())}")
        same = "the same as an undisturbed search" if options.concurrency == 1 else "none missing, none twice"
        print("\n".join(wrong) or f"nothing lost, nothing twice; {same}")
        print(f"{options.tuner}, {options.concurrency} at a time; {time.monotonic() - began:.0f} s in all")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
