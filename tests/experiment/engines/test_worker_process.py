"""The processes of warm workers: how they begin, what they print, how they die."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from workers import copied, gone, run, trial

TESTS = str(Path(__file__).parents[2])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("os._exit(3)", "the worker died: exit code 3; see "),
        ("os.kill(os.getpid(), 9)", "the worker died: signal 9 (Killed); see "),
        ("report(1.0) or os.kill(os.getpid(), signal.SIGSEGV)", "died: signal 11 (Segmentation fault)"),
    ],
)
def test_a_worker_that_dies(engine, how, message):
    one = engine(copied())
    end = run(one, 0, do=how)
    assert end.value is None and message in end.message
    if "SEGV" in how:
        assert "Fatal Python error: Segmentation fault" in Path(end.message.rpartition("see ")[2]).read_text()
    assert run(one, 1, do="7").value == 7
    assert (one.made, len(one.workers)) == (2, 1)


def test_a_worker_that_dies_while_it_has_nothing_to_do_takes_no_trial_with_it(engine, module):
    one = engine(f"{module}:misbehave")
    run(one, 0, do="1")
    process = one.workers[0].process
    process.kill()
    process.wait()
    assert run(one, 1, do="2").value == 2
    one.events(0.0)
    assert len(one.workers) == 1


def test_a_worker_whose_child_holds_its_connection(engine):
    """The connection does not end then, but the trial does; and the child goes, too."""

    def leave_behind(params):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        os.close(read)
        os.close(write)
        Path(params["note"]).write_text(str(child))
        os.kill(os.getpid(), signal.SIGKILL)

    one = engine(leave_behind)
    note = one.log.parent / "child"
    assert "died: signal 9" in run(one, note=str(note)).message
    assert gone(int(note.read_text()))


def test_workers_may_have_children(engine):
    def children(params):
        import multiprocessing

        with multiprocessing.get_context("fork").Pool(1) as pool:
            return pool.apply(abs, (-4,))

    assert run(engine(children)).value == 4


def test_a_function_that_does_not_load(engine, module, tmp_path):
    assert "has no squares; did you mean square?" in run(engine(f"{module}:squares")).message
    assert "No module named 'not_there'" in run(engine("not_there:f")).message
    (tmp_path / "half_written.py").write_text("def f(:")
    assert "half_written fails: SyntaxError" in run(engine("half_written:f")).message


def test_prints_go_to_the_log(engine, capfd):
    def talk(params):
        print("to stdout")
        print("to stderr", file=sys.stderr)
        os.system("echo of a child")
        if params["die"]:
            os._exit(1)
        return len(sys.stdin.read()) if sys.stdin and not sys.stdin.closed else 0

    one = engine(talk)
    run(one, 0, die=True)
    assert (one.log / "worker-0.log").read_text().splitlines() == ["to stdout", "to stderr", "of a child"]
    assert capfd.readouterr() == ("", "")


def test_what_a_spawned_worker_prints(engine, module, capfd):
    one = engine(f"{module}:misbehave")
    run(one, do="print('here', os.environ.get('PYTHONPATH')) or os._exit(1)")
    assert (one.log / "worker-0.log").read_text() == f"here {os.environ.get('PYTHONPATH')}\n"  # not the worker's path
    assert capfd.readouterr() == ("", "")


def test_the_environment_of_workers(engine, module):
    for function in (f"{module}:misbehave", lambda params: int(os.environ["NUMBER"])):
        assert run(engine(function, environment={"NUMBER": "17"}), do="int(os.environ['NUMBER'])").value == 17
    assert "NUMBER" not in os.environ


def test_torch_in_a_copied_process(tmp_path):
    """A copy of a process has none of the threads that torch believes to have: it must not wait for them."""
    code = f"""
import sys, torch
sys.path.insert(0, {TESTS!r})
from pathlib import Path
from fastcifar.experiment.engines.local.pool import WorkerEngine
from fastcifar.experiment.objectives.base import FunctionEvaluator
from workers import run
torch.set_num_threads(2)
torch.ones(1_000_000).exp().sum()
engine = WorkerEngine(FunctionEvaluator(lambda params: torch.ones(1_000_000).sum()), Path({str(tmp_path)!r}))
print(run(engine).value)
engine.close()
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout == "1000000.0\n", result.stderr


@pytest.mark.parametrize("kind", ["named", "copied"])
def test_workers_die_with_their_driver(tmp_path, module, kind):
    """And so do their children."""
    function = repr(f"{module}:misbehave") if kind == "named" else "lambda params: eval(params['do'])"
    note = tmp_path / "pids"
    do = "setattr(sys, 'child', __import__('subprocess').Popen(['sleep', '60']).pid)"
    own = f"{str(note)!r} + str(os.getpid())"  # two workers write one note each, and the later one stays
    do += f", open({own}, 'w').write(f'{{os.getpid()}} {{sys.child}}'), os.rename({own}, {str(note)!r})"
    code = f"""
import os, sys, time
sys.path[:0] = [{TESTS!r}, {str(tmp_path)!r}]
from pathlib import Path
from fastcifar.experiment.engines.local.pool import WorkerEngine
from fastcifar.experiment.objectives.base import FunctionEvaluator
from workers import trial
engine = WorkerEngine(FunctionEvaluator({function}), Path({str(tmp_path)!r}))
for number in range(2):
    engine.start(trial(number, do={do + ", time.sleep(60)"!r}))
engine.events(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        while not note.exists():
            assert process.poll() is None
            time.sleep(0.01)
        pids = [int(pid) for pid in note.read_text().split()]
        for pid in pids:
            assert not Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].startswith(" Z")
    finally:
        process.kill()
        process.wait()
    assert all(gone(pid) for pid in pids)


def test_close_leaves_nothing(engine, module, tmp_path):
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for function in (f"{module}:misbehave", lambda params: eval(params["do"])):
        one = engine(function)
        for number in range(2):
            one.start(trial(number, do="time.sleep(60)"))
        assert one.events(0.3) == []
        pids = [worker.process.pid for worker in one.workers]
        one.close()
        for pid in pids:
            with pytest.raises(ProcessLookupError):  # no zombie either
                os.kill(pid, 0)
        one.close()
    del one, function
    engine.__closure__[0].cell_contents.clear()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_many_deaths_leak_nothing(engine):
    one = engine(lambda params: os._exit(1))
    run(one)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for number in range(10):
        run(one, number)
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # noqa: PTH208
