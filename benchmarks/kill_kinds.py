"""What `kill_loop.py` kills: searches over functions and commands, a training, a supernet's search.

A kind is asked for a command to begin and one to go on, for what a text has announced, and for what is stored of it.
"""

import csv
import json
import re
import sys
from abc import ABC, abstractmethod
from contextlib import closing
from pathlib import Path
from typing import Any

from few_images import SITECUSTOMIZE

from fastcifar.experiment.store.store import FILE, RUNNING, Store

SPACE = {"x": {"_type": "uniform", "_value": [0.1, 1]}, "y": {"_type": "quniform", "_value": [-1, 1, 0.1]}}
NETWORKS = {
    "prep": {"_type": "choice", "_value": [2, 4]},
    "layer1": {"_type": "choice", "_value": [2, 4]},
    "layer2": {"_type": "choice", "_value": [4, 8]},
    "extra_layers.layer3": {"_type": "randint", "_value": [0, 2]},
}
MODULE = """
import subprocess, time

def objective(params, seed, report):
    subprocess.Popen(["setsid", "sleep", "300"])  # ends with the worker
    for step in range(4):
        time.sleep(0.03)
        report(params["x"] * step)
    if seed % 13 == 5:
        raise RuntimeError("bad luck")
    return {"default": -(params["x"] - 0.3) ** 2 - params["y"] ** 2, "seed": seed}
"""
PROGRAM = """
sleep 300 &                                  # in the group
setsid sh -c 'sleep 300; true' &             # in a session of its own
nohup setsid sh -c 'sleep 300; true' > /dev/null 2>&1 &
(setsid sh -c '(setsid sleep 300 &) &' &) &  # whose parents are gone
x=$(sed 's/.*"x": \\([0-9.e-]*\\).*/\\1/' $NNI_SYS_DIR/parameters.json)
for step in 1 2 3; do
  sleep 0.05
  echo "{\\"type\\": \\"intermediate\\", \\"value\\": $x}" >> $NNI_SYS_DIR/reports.jsonl
done
echo "{\\"type\\": \\"final\\", \\"value\\": $x}" >> $NNI_SYS_DIR/reports.jsonl
"""
SMALL = "--set dataset=synthetic prep=2 layer1=2 layer2=4 layer3=4 batch_size=32 train_images=64".split()
TRIAL = re.compile(r"^trial (\d+)(?: \(\w+\))? (finished|stopped|failed)(?: ([-+.\de]+)(?: %)?,)?", re.MULTILINE)
EPOCH = re.compile(r"^ +(\d+)" + r" +(\S+)" * 8 + "$", re.MULTILINE)

Facts = dict[int, Any]  # by trial or epoch


class Kind(ABC):
    """One kind of command. exact: whether, killed or not, it comes to the same."""

    name: str
    exact = True

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed

    @abstractmethod
    def begin(self, out: Path) -> list[str]:
        """The arguments of Python that begin it."""

    @abstractmethod
    def go_on(self, path: Path) -> list[str]:
        """Those that go on with what is in a folder."""

    @abstractmethod
    def path(self, out: Path) -> Path | None:
        """The folder under `out`; None while there is none that can be gone on with."""

    def ended(self, path: Path | None) -> bool:
        """Whether there is nothing to go on with, although the signal came before the end of the process."""
        return False

    @abstractmethod
    def announced(self, text: str) -> Facts:
        """What the command has said of its trials or epochs."""

    @abstractmethod
    def stored(self, path: Path) -> tuple[Facts, Facts]:
        """What is stored: as it would be announced, and all of it but times."""


class Search(Kind):
    """A search, whose trials are announced on stderr. digits: how a result is announced."""

    digits = ".6g"

    def path(self, out: Path) -> Path | None:
        found = [path.parent for path in out.glob(f"*/{FILE}")]
        assert len(found) < 2, "a second experiment was made"
        return found[0] if found else None

    def announced(self, text: str) -> Facts:
        return {int(number): (state, value) for number, state, value in TRIAL.findall(text)}

    def stored(self, path: Path) -> tuple[Facts, Facts]:
        with closing(Store.read(path)) as store:
            reports, rows = store.reports(), [row for row in store.trials() if row.state != RUNNING]
        said = {row.number: (row.state, "" if row.value is None else f"{row.value:{self.digits}}") for row in rows}
        names = ("kind", "params", "seed", "state", "value", "message")
        all_of = {row.number: ({name: getattr(row, name) for name in names}, reports.get(row.number)) for row in rows}
        return said, all_of


class Functions(Search):
    name = "functions"

    def begin(self, out: Path) -> list[str]:
        (self.folder / "objective.py").write_text(MODULE)
        return self._search(out, "--objective", "objective:objective", "--assessor", "Medianstop")

    def go_on(self, path: Path) -> list[str]:
        return ["-m", "fastcifar.search", "--out", str(path.parent), "--resume", path.name]

    def _search(self, out: Path, *words: str) -> list[str]:
        (self.folder / "space.json").write_text(json.dumps(SPACE))
        common = f"--out {out} --space space.json --trials 25 --seed {self.seed}".split()
        return ["-m", "fastcifar.search", *common, *words]


class Commands(Functions):
    name = "commands with grandchildren"

    def begin(self, out: Path) -> list[str]:
        (self.folder / "program.sh").write_text(PROGRAM)
        return self._search(out, "--command", f". {self.folder / 'program.sh'}", "--tuner", "Random")


class Supernet(Search):
    """Its trainings are announced; how short they are depends on the clock, so that results may differ."""

    name = "supernet search"
    exact = False
    digits = ".2f"  # percent

    def begin(self, out: Path) -> list[str]:
        (self.folder / "networks.json").write_text(json.dumps(NETWORKS))
        (self.folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
        words = "--space networks.json --device cpu --trainings 6 --confirm 1x1 --concurrency 1".split()
        return ["-m", "fastcifar", "supernet", "search", *words, "--out", str(out), *SMALL, "total_epoch=2"]

    def go_on(self, path: Path) -> list[str]:
        return ["-m", "fastcifar", "supernet", "search", "--out", str(path.parent), "--resume", path.name]


class Training(Kind):
    """Its epochs are announced on stdout."""

    name = "training"

    def begin(self, out: Path) -> list[str]:
        (self.folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
        words = f"--device cpu --checkpoint-every 1 --out {out} --seed {self.seed}".split()
        return ["-m", "fastcifar", "train", "resnet9-tiny", *words, *SMALL, "total_epoch=12"]

    def go_on(self, path: Path) -> list[str]:
        return ["-m", "fastcifar", "train", "--out", str(path.parent), "--resume", path.name]

    def path(self, out: Path) -> Path | None:
        found = [path.parent for path in out.glob("*/run.json")]
        assert len(found) < 2, "a second run was made"
        return found[0] if found else None

    def ended(self, path: Path | None) -> bool:
        return path is not None and json.loads((path / "run.json").read_text())["status"] == "finished"

    def announced(self, text: str) -> Facts:
        return {int(epoch): tuple(cells) for epoch, *cells in EPOCH.findall(text)}

    def stored(self, path: Path) -> tuple[Facts, Facts]:
        file = path / "epochs.csv"
        with file.open(newline="") if file.exists() else open("/dev/null") as lines:  # noqa: PTH123
            rows = list(csv.DictReader(lines))
        said = {int(row["epoch"]): tuple(f"{float(row[name]):.4f}" for name in row if name != "epoch") for row in rows}
        return said, {int(row["epoch"]): {k: v for k, v in row.items() if not k.endswith("time")} for row in rows}


KINDS: tuple[type[Kind], ...] = (Functions, Commands, Training, Supernet)
PYTHON = sys.executable
