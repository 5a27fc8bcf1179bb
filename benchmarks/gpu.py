"""Everything that a GPU should do for this project, in order of worth: one command, at most 11 minutes on an H200.

    python benchmarks/gpu.py [--peer FILE] [--data FILE] [--data-dir DIR] [--out DIR] [--minutes 11] [--only PART...]

PART is tests, profile, pieces, train_step, speedruns, runs or another of the list below. Each runs in processes of its
own, until it is done or its time is up; then its figures are a line of DIR/gpu.jsonl, and DIR/gpu.md is written anew.
Started again, the command goes on: it leaves out what is done, and starts no part for which too little time is left.
--out is benchmarks/results where it is not given; another folder first gets a copy of what is there.
FILE of --peer is airbench94_muon.py of a checkout of github.com/KellerJordan/cifar10-airbench. --data is a file with
the images as JPEG bytes (gpu_images.py says how), for a machine that has none; where neither that nor a folder with
the images (--data-dir, or as for `fastcifar data`) can be had, they are synthetic, and only times count.
At the end it says which lines of the documents to change, and to what.
"""

import argparse
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gpu_images import unpack
from gpu_report import advice, report
from rows import append, read

from fastcifar.data import DataError, load
from fastcifar.train import resolve_device
from fastcifar.train.record.provenance import provenance

HERE = Path(__file__).parent
RESULTS = HERE / "results"
FILES = ("gpu", "train_step-cuda", "speedrun-cuda", "supernet_truth-cuda")  # .jsonl and .md of each
TAIL = 3000  # characters of a part's output that are kept
MARGIN = 5.0  # seconds that are left for the end


@dataclass(frozen=True, kw_only=True)
class Part:
    """A step of the program. most: seconds that it may take; least: with fewer left it is not started."""

    name: str
    command: list[str]
    most: float
    least: float


def parts(options: argparse.Namespace) -> list[Part]:
    """What there is to do, the most useful first."""
    where = ["--device", options.device, *(["--data-dir", options.data_dir] if options.data_dir else [])]
    out = ["--results", str(options.out)]

    def program(name: str, *words: str) -> list[str]:
        return [sys.executable, str(HERE / name), *words]

    tests = ["tests/train/test_cuda.py", "tests/supernet/test_cuda.py", "-k", "not compiled", "-rs"]
    slow = ["--networks", "resnet9", "--rounds", "2", "--without", "compiled", "compiled-captured"]
    peer = ["--peer", options.peer] if options.peer else []
    whole = ["--networks", "256", "--seeds", "1", "--images", "0", "--epochs", "24", "--batch-size", "512"]
    return [
        Part(name="tests", command=[sys.executable, "-m", "pytest", *tests], most=150, least=40),
        Part(
            name="profile",
            command=program("gpu_parts.py", "profile", "speedrun94", "eager", "captured", *where),
            most=60,
            least=20,
        ),
        Part(name="pieces", command=program("gpu_parts.py", "pieces", "speedrun94", *where), most=60, least=20),
        Part(name="train_step", command=program("train_step.py", *slow, *where[:2], *out), most=100, least=30),
        Part(
            name="speedruns",
            command=program("speedrun.py", *peer, "--runs", str(options.runs), *where, *out),
            most=280,
            least=90,
        ),
        Part(name="runs", command=program("gpu_parts.py", "runs", "resnet9", *where), most=90, least=30),
        Part(
            name="profile of what is compiled",
            command=program("gpu_parts.py", "profile", "speedrun94", "compiled-captured", *where),
            most=120,
            least=60,
        ),
        Part(
            name="profile of resnet9",
            command=program("gpu_parts.py", "profile", "resnet9", "eager", "captured", *where),
            most=60,
            least=20,
        ),
        Part(name="networks", command=program("supernet_truth.py", *whole, *where, *out), most=3600, least=40),
    ]


def run(command: list[str], seconds: float, log: Path) -> int | None:
    """The exit code of a command, whose output goes to `log`; None where it was ended as its time was up."""
    with log.open("w") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, cwd=HERE.parent, env=_environment()
        )
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # it and those that it has started
            process.wait()


def _environment() -> dict[str, str]:
    """With this project's package, whether it is installed or not."""
    paths = [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


Run = Callable[[list[str], float, Path], int | None]


def work(todo: list[Part], rows: list[dict[str, Any]], seconds: float, keep: Callable[[dict[str, Any]], None]) -> None:
    """Run the parts that are not done, as long as there is time; each row is kept when its part has ended.

    rows: of earlier calls and this one.
    """
    deadline = time.monotonic() + seconds
    for part in todo:
        if any(row["name"] == part.name and row["status"] == "done" for row in rows):
            print(f"{part.name}: done before", flush=True)
            continue
        left = deadline - time.monotonic() - MARGIN
        if left < part.least:
            print(f"{part.name}: not started, {left:.0f} s are left and it needs {part.least:.0f}", flush=True)
            continue
        row = one(part, min(part.most, left))
        rows.append(row)
        keep(row)
        print(f"{part.name}: {row['status']} after {row['seconds']:.0f} s", flush=True)


def one(part: Part, seconds: float) -> dict[str, Any]:
    """Run a part; its row: how it ended, the JSON documents that it printed, and the end of all that it printed."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        code = run(part.command, seconds, log)
        text = log.read_text(errors="replace")
    found = []
    for line in text.splitlines():
        with suppress(json.JSONDecodeError):
            if isinstance(document := json.loads(line), dict):
                found.append(document)
    status = {0: "done", None: "out of time"}.get(code, f"failed ({code})")
    took = time.monotonic() - began
    return {"name": part.name, "status": status, "seconds": took, "found": found, "tail": text[-TAIL:]}


def images(options: argparse.Namespace, folder: Path) -> str:
    """See to it that there are images: sets `data_dir` where they have to be made, in `folder`. Says what they are."""
    with suppress(DataError):
        if not options.data:
            dataset = load("cifar10", options.data_dir, download=False)
            return f"{dataset.source}, canonical: {str(dataset.canonical).lower()}"
    options.data_dir = str(folder)
    return unpack(options.data, folder)


def options_of(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--data-dir")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--minutes", type=float, default=11.0)
    parser.add_argument("--runs", type=int, default=6, help="seeds of each speedrun")
    parser.add_argument("--only", nargs="+", default=[], metavar="PART", help="one alone may take all of the time")
    options = parser.parse_args(words)
    names = [part.name for part in parts(options)]
    for name in options.only:
        if name not in names:
            parser.error(f"--only: {name!r} is none of {', '.join(names)}")
    return options


def main(words: list[str] | None = None) -> None:
    began = time.monotonic()
    options = options_of(words)
    machine = provenance(resolve_device(options.device))
    options.out.mkdir(parents=True, exist_ok=True)
    for name in (f"{stem}{end}" for stem in FILES for end in (".jsonl", ".md")):
        if (RESULTS / name).exists() and not (options.out / name).exists():
            shutil.copy(RESULTS / name, options.out / name)
    path = options.out / "gpu.jsonl"
    rows = [row for row in read(path) if row["device"] == machine["device"]]
    with tempfile.TemporaryDirectory() as folder:
        said = images(options, Path(folder))
        print(f"{machine['device']}, torch {machine['versions']['torch']}; {said}", flush=True)

        def keep(row: dict[str, Any]) -> None:
            row |= {**machine, "images": said}
            append(path, row)
            path.with_suffix(".md").write_text(report(rows))

        todo = [part for part in parts(options) if part.name in options.only or not options.only]
        if len(options.only) == 1:
            todo = [replace(part, most=math.inf, least=0.0) for part in todo]
        work(todo, rows, 60 * options.minutes - (time.monotonic() - began), keep)
    if rows:
        print(report(rows))
    for file, old, new in advice(rows, read(options.out / "speedrun-cuda.jsonl")):
        print(f"\n{file}: instead of\n  {old}\nsay\n  {new}")


if __name__ == "__main__":
    main()
