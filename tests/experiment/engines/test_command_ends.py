"""How commands end: stopped, out of time, closed, left behind by a driver that was killed."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import IGNORES_SIGINT, group_of, report, run, until_ended, wait_for

from fastcifar.experiment.engines.base import Ended
from fastcifar.experiment.engines.processes.group import alive, record, recorded


def test_a_trial_over_its_limit_fails(make, trial):
    begin = time.monotonic()
    (ended,) = run(make("sleep 60", limit=0.3), trial())
    assert ended == Ended(number=0, message="the trial took longer than its limit of 0.3 s")
    assert 0.3 < time.monotonic() - begin < 10
    assert not alive(group_of(trial()))


def test_stop_interrupts_the_whole_group_and_lets_it_clean_up(make, trial, code):
    inner = "trap 'touch cleaned; exit' INT; touch ready; while :; do sleep 0.02; done"
    engine = make(f"sh -c {shlex.quote(inner)}; {report('final', 1)}", grace=10.0)
    engine.start(trial())
    wait_for((code / "ready").exists)
    engine.stop(0)
    engine.stop(0)
    assert until_ended(engine) == [Ended(number=0, message="stopped")]
    assert (code / "cleaned").exists()
    assert not alive(group_of(trial()))


def test_a_trial_that_ignores_sigint_is_killed_after_the_grace(make, trial, code):
    engine = make(IGNORES_SIGINT, grace=0.4)
    engine.start(trial())
    wait_for((code / "ready").exists)
    begin = time.monotonic()
    engine.stop(0)
    assert time.monotonic() - begin < 0.4  # does not wait
    assert until_ended(engine) == [Ended(number=0, message="stopped")]
    assert time.monotonic() - begin >= 0.4
    assert not alive(group_of(trial()))


def test_a_trial_takes_sigint_where_the_driver_ignores_it(make, trial, code):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        engine = make(": > ready; exec sleep 60", grace=20.0)  # a shell that waits for touch would go on
        engine.start(trial())
        wait_for((code / "ready").exists)
        begin = time.monotonic()
        engine.stop(0)
        until_ended(engine)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - begin < 10


def test_children_left_behind_are_ended_and_others_go_on_meanwhile(make, trial, code):
    leaves = f"({IGNORES_SIGINT}) & {report('final', 1)}"
    engine = make(f"if [ $NNI_TRIAL_SEQ_ID = 0 ]; then {leaves}; else sleep 0.1; {report('final', 2)}; fi", grace=1.5)
    engine.start(trial(0))
    engine.start(trial(1))
    assert until_ended(engine, 2) == [Ended(number=1, value=2), Ended(number=0, value=1)]
    assert not alive(group_of(trial(0)))


def test_stopping_what_has_ended_does_nothing(make, trial):
    engine = make(report("final", 1))
    run(engine, trial())
    engine.stop(0)
    engine.stop(99)
    assert engine.events(0) == []


def test_close_ends_everything(make, trial, code):
    engine = make(f"cd $NNI_OUTPUT_DIR; {IGNORES_SIGINT}")
    trials = [trial(0), trial(1)]
    for one in trials:
        engine.start(one)
    wait_for(lambda: all((one.folder / "output" / "ready").exists() for one in trials))
    assert all(alive(group_of(one)) for one in trials)
    engine.close()
    assert not any(alive(group_of(one)) for one in trials)
    assert engine.events(0) == []


def test_a_trial_is_out_of_reach_of_the_drivers_ctrl_c(make, trial):
    engine = make("sleep 60")
    engine.start(trial())
    assert os.getsid(group_of(trial())) == group_of(trial()) != os.getsid(0)


DRIVER = """
import sys, time
from pathlib import Path
from fastcifar.experiment.engines.command.attempts import latest
from fastcifar.experiment.engines.command.engine import CommandEngine
from fastcifar.experiment.engines.base import Trial
code, folder, command = sys.argv[1:]
engine = CommandEngine(command, Path(code), Path(folder).parent)
engine.start(Trial(number=0, experiment="exp", params={}, seed=0, folder=Path(folder)))
while True:
    engine.events(1.0)
"""


@pytest.fixture
def killed(trial, code):
    """Kills a driver whose trial has a child of its own; the trial's group."""

    def kill(keeper):
        one = trial()
        command = f"echo $$ > leader; sh -c {shlex.quote(IGNORES_SIGINT)}; true"
        driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(code), str(one.folder), command])
        wait_for(lambda: (code / "ready").exists() and (one.folder / "pid").exists())
        leader = int((code / "leader").read_text())
        if not keeper:
            for pid in Path(f"/proc/{driver.pid}/task/{driver.pid}/children").read_text().split():
                os.kill(int(pid), signal.SIGKILL) if int(pid) != leader else None
        driver.kill()
        driver.wait()
        wait_for(lambda: not Path(f"/proc/{leader}").exists() or "(bash) Z" in Path(f"/proc/{leader}/stat").read_text())
        return leader

    return kill


def test_nothing_of_a_trial_outlives_its_driver(killed):
    group = killed(keeper=True)
    wait_for(lambda: not alive(group))


def test_what_was_left_nevertheless_is_ended_before_the_next_attempt(make, trial, killed):
    one = trial()
    leader = killed(keeper=False)
    assert alive(leader)  # the shell died with the driver, its child did not

    engine = make(report("final", 1), grace=0.4)
    engine.start(one)
    assert group_of(one) == leader and alive(leader)  # does not wait, and the new attempt has not begun
    assert until_ended(engine) == [Ended(number=0, value=1)]
    assert not alive(leader)


def test_stop_while_an_earlier_attempt_is_being_ended(make, trial, code):
    first, second = make(IGNORES_SIGINT), make(f"touch second; {report('final', 1)}")
    first.start(trial())
    wait_for((code / "ready").exists)
    second.start(trial())
    second.stop(0)
    assert until_ended(second) == [Ended(number=0, message="stopped")]
    assert not (code / "second").exists()


def test_a_later_process_with_the_recorded_number_is_left_alone(make, trial):
    one = trial()
    one.folder.mkdir(parents=True)
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        record(one.folder / "pid", other.pid)
        assert recorded(one.folder / "pid") == other.pid
        pid, since = (one.folder / "pid").read_text().split()
        (one.folder / "pid").write_text(f"{pid} {int(since) - 1}\n")
        assert run(make(report("final", 1)), one) == [Ended(number=0, value=1)]
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_what_an_older_version_has_left_is_ended(make, trial):
    """It has no mark, but the trial's folder in its environment; the leader of its group is gone."""
    one = trial()
    one.folder.mkdir(parents=True)
    processes = [
        subprocess.Popen(["sleep", "60"], env={**os.environ, "NNI_SYS_DIR": str(folder)}, start_new_session=True)
        for folder in (one.folder, one.folder.with_name("00"))
    ]
    mine, another = processes
    try:
        assert run(make(report("final", 1)), one) == [Ended(number=0, value=1)]
        assert mine.wait() == -signal.SIGINT and another.poll() is None
    finally:
        for process in processes:
            process.kill()
            process.wait()
