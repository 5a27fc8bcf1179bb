"""Nothing outlives its trial, also in a session of its own, and no attempt speaks for another."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fastcifar.experiment.engines.base import Ended, Trial
from fastcifar.experiment.engines.command.attempts import attempts, following, latest
from fastcifar.experiment.engines.command.engine import CommandEngine
from fastcifar.experiment.engines.local.pool import WorkerEngine
from fastcifar.experiment.engines.processes.marks import VARIABLE, find, mark_of, marked
from fastcifar.experiment.objectives.base import FunctionEvaluator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only process groups are ended")

NOTE = 'echo $$ >> "$NNI_CODE_DIR"/pids; exec sleep 600'  # a process that is known by its number
WAYS = {  # out of the trial's group
    "setsid": f"setsid sh -c {shlex.quote(NOTE)} &",
    "nohup": f"nohup setsid sh -c {shlex.quote(NOTE)} > /dev/null 2>&1 &",
    "double fork": f"(setsid sh -c {shlex.quote(f'(setsid sh -c {shlex.quote(NOTE)} &) &')} &) &",
    "without environment": f"setsid env -i NNI_CODE_DIR=$NNI_CODE_DIR sh -c {shlex.quote(NOTE)} &",
    "torchrun": """python3 -c '
import os, subprocess, sys
note = "echo $$ >> $NNI_CODE_DIR/pids; exec sleep 600"
workers = [subprocess.Popen(["sh", "-c", note], start_new_session=True) for _ in range(2)]
[one.wait() for one in workers]' &""",
}
FINAL = 'echo \'{"type": "final", "value": VALUE}\' >> $NNI_SYS_DIR/reports.jsonl'


def trial(tmp_path, number=0):
    folder = tmp_path / "out" / "trials" / str(number)
    return Trial(number=number, experiment="exp", params={}, seed=0, folder=folder)


def pids(tmp_path, count):
    """The numbers of so many processes that have told it."""
    return wait_for(lambda: len(found := noted(tmp_path)) == count and found)


def noted(tmp_path):
    file = tmp_path / "pids"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def wait_for(condition, seconds=30):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(0.01)
    return found


def lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def outcome(engine):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for event in engine.events(0.5):
            if isinstance(event, Ended):
                return event
    raise AssertionError("it has not ended")


@pytest.fixture
def make(tmp_path):
    engines = []

    def make(command, grace=0.2):
        engines.append(CommandEngine(command, tmp_path, tmp_path / "out", grace=grace))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()
    for pid in noted(tmp_path):
        if lives(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("way", ["setsid", "nohup", "double fork"])
def test_what_a_finished_trial_has_left_is_ended(make, tmp_path, way):
    engine = make(f"{WAYS[way]} until [ -s pids ]; do sleep 0.01; done; {FINAL.replace('VALUE', '1')}")
    engine.start(trial(tmp_path))
    assert outcome(engine) == Ended(number=0, value=1.0)
    (pid,) = pids(tmp_path, 1)
    assert not lives(pid)


def test_what_has_just_begun_is_ended_too(make, tmp_path):
    """The child may be between its fork and its new program when the trial ends."""
    engine = make(f"setsid sleep 61.25 & {FINAL.replace('VALUE', '1')}")
    for number in range(20):
        engine.start(trial(tmp_path, number))
    ended = 0
    while ended < 20:
        ended += sum(isinstance(event, Ended) for event in engine.events(0.5))
    assert subprocess.run(["pgrep", "-f", "^sleep 61.25"], capture_output=True, check=False).stdout == b""


@pytest.mark.parametrize("way", ["torchrun", "without environment"])
def test_a_trial_that_is_stopped_takes_all_of_its_sessions_with_it(make, tmp_path, way):
    engine = make(f"{WAYS[way]} wait")
    engine.start(trial(tmp_path))
    found = pids(tmp_path, 2 if way == "torchrun" else 1)
    engine.stop(0)
    assert outcome(engine) == Ended(number=0, message="stopped")
    assert not any(lives(pid) for pid in found)


DRIVER = """
import sys, time
from pathlib import Path
from fastcifar.experiment.engines.command.engine import CommandEngine
from fastcifar.experiment.engines.base import Trial
from fastcifar.experiment.engines.processes.keeper import Keeper
here, folder, command, delay = sys.argv[1:]
keep = Keeper.keep
Keeper.keep = lambda self, groups: (time.sleep(float(delay)), keep(self, groups))
engine = CommandEngine(command, Path(here), Path(folder).parent)
engine.start(Trial(number=0, experiment="exp", params={}, seed=0, folder=Path(folder)))
while True:
    engine.events(1.0)
"""


def driver(tmp_path, command, delay=0.0):
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path), str(trial(tmp_path).folder), command, str(delay)]
    )


def children(process):
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


@pytest.mark.parametrize(
    "command", [f"env -i NNI_CODE_DIR=. sh -c {shlex.quote(NOTE)}; true", WAYS["setsid"] + " wait"]
)
def test_a_driver_that_is_killed_before_it_has_told_the_keeper_of_a_group(make, tmp_path, command):
    process = driver(tmp_path, command, delay=60.0)
    (pid,) = pids(tmp_path, 1)
    process.kill()
    process.wait()
    wait_for(lambda: not lives(pid))


def test_a_driver_that_is_killed_takes_all_sessions_with_it(make, tmp_path):
    ways = [way for name, way in WAYS.items() if name != "without environment"]
    process = driver(tmp_path, " ".join([*ways, "wait"]))
    found = pids(tmp_path, 5)
    process.kill()
    process.wait()
    wait_for(lambda: not any(lives(pid) for pid in found))


@pytest.mark.slow  # each of three processes imports torch
def test_a_driver_that_is_killed_takes_the_workers_of_torchrun_with_it(make, tmp_path):
    """torchrun gives each of its workers a session of its own."""
    (tmp_path / "work.py").write_text(
        "import os, time\nopen(os.environ['NNI_CODE_DIR'] + '/pids', 'a').write(f'{os.getpid()}\\n')\ntime.sleep(600)\n"
    )
    words = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", str(tmp_path / "work.py")]
    process = driver(tmp_path, shlex.join(words))
    found = wait_for(lambda: len(found := noted(tmp_path)) == 2 and found, 120)
    assert {os.getsid(pid) for pid in found} == set(found)
    process.kill()
    process.wait()
    wait_for(lambda: not any(lives(pid) for pid in found))


def test_what_is_left_nevertheless_is_ended_before_the_next_attempt_begins(make, tmp_path):
    """Its result does not count, either: 1000 was stored instead of 1001."""
    slow = f"trap '' INT; sleep 0.5; {FINAL.replace('VALUE', '1000')}; echo $$ >> pids; exec sleep 600"
    process = driver(tmp_path, f"setsid sh -c {shlex.quote(slow)} & touch begun; wait")
    wait_for((tmp_path / "begun").exists)
    leader = int((trial(tmp_path).folder / "pid").read_text().split()[0])
    for pid in children(process):
        if pid != leader:
            os.kill(pid, signal.SIGKILL)  # the keeper
    process.kill()
    process.wait()
    engine = make(f"grep -s 'State:.[RSD]' /proc/$(cat pids)/status >&2; {FINAL.replace('VALUE', '1001')}", grace=2.0)
    engine.start(trial(tmp_path))
    assert outcome(engine) == Ended(number=0, value=1001.0)
    (pid,) = pids(tmp_path, 1)  # it had the time to report before it was killed
    assert not lives(pid)
    assert (latest(trial(tmp_path).folder) / "stderr").read_text() == ""  # nothing ran beside it


def test_a_process_that_no_one_finds_writes_to_a_folder_of_its_own(make, tmp_path):
    """It has shed its environment, and its parents are gone."""
    late = f"echo $$ >> pids; until [ -e go ]; do sleep 0.01; done; NNI_SYS_DIR=$0; {FINAL.replace('VALUE', '1000')}"
    shed = f"env -i PATH=$PATH sh -c {shlex.quote(late + '; touch done')} $NNI_SYS_DIR"
    first = make(f"(setsid {shed} &) & until [ -s pids ]; do sleep 0.01; done")
    first.start(trial(tmp_path))
    assert outcome(first).value is None
    (pid,) = pids(tmp_path, 1)
    assert lives(pid)  # beyond what can be done; a container or a cgroup of the user's would end it
    second = make(f"touch go; until [ -e done ]; do sleep 0.01; done; {FINAL.replace('VALUE', '1001')}")
    second.start(trial(tmp_path))
    assert outcome(second) == Ended(number=0, value=1001.0)


def test_the_folders_of_attempts(tmp_path):
    folder = tmp_path / "3"
    assert (attempts(folder), latest(folder), following(folder)) == ([], folder, folder)
    for name in ("3", "30", "3.10", "3.2", "3.new"):
        (tmp_path / name).mkdir()
    assert [path.name for path in attempts(folder)] == ["3", "3.2", "3.10"]
    assert (latest(folder).name, following(folder).name) == ("3.10", "3.11")


def test_marks_add_up():
    """As where a trial is itself a search."""
    assert marked(marked({"A": "1"}, "x"), "y", "z") == {"A": "1", VARIABLE: "x y z"}
    mark = mark_of(Path("/somewhere"))
    process = subprocess.Popen(["sleep", "60"], env=marked({**os.environ, VARIABLE: "outer"}, mark))
    try:
        wait_for(lambda: find([mark]).groups)
        assert set(find([mark]).groups) == {process.pid} and mark_of(Path("/somewhere/else")) != mark
    finally:
        process.kill()
        process.wait()
    assert find([mark]).groups == {}


@pytest.mark.parametrize("end", ["stop", "close"])
def test_what_a_function_has_started_ends_with_its_worker(tmp_path, end):
    def start(params):
        subprocess.Popen(["setsid", "sh", "-c", NOTE], env={**os.environ, "NNI_CODE_DIR": str(tmp_path)})
        time.sleep(60)

    engine = WorkerEngine(FunctionEvaluator(start), tmp_path / "log")
    try:
        engine.start(trial(tmp_path))
        (pid,) = pids(tmp_path, 1)
        engine.stop(0) if end == "stop" else engine.close()
        assert not lives(pid)
    finally:
        engine.close()


def test_what_a_trial_has_left_is_asked_to_end(make, tmp_path):
    """A background process of a shell ignores SIGINT; SIGTERM is what it takes, and may clean up after."""
    clean = "trap 'touch cleaned; exit' TERM; touch ready; while :; do sleep 0.02; done"
    engine = make(f"setsid sh -c {shlex.quote(clean)} & until [ -e ready ]; do sleep 0.01; done", grace=30.0)
    began = time.monotonic()
    engine.start(trial(tmp_path))
    assert outcome(engine).message == "the command ended without a result"
    assert (tmp_path / "cleaned").exists() and time.monotonic() - began < 20
