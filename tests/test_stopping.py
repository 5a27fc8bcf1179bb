"""Signals as a number: levels, what nests, what is left as it was, what a copy of the process does, leaving at once."""

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from fastcifar import stopping
from fastcifar.stopping import check, gently, last_words, stoppable

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A machine that is busy needs longer than two seconds for a look."""
    monkeypatch.setattr(stopping, "GRACE", 60.0)


def send(number, one, asked):
    """Send this process a signal, and wait until it is heard of."""
    os.kill(os.getpid(), number)
    until = time.monotonic() + 20
    while one.asked != asked and time.monotonic() < until:
        time.sleep(0.001)
    assert one.asked == asked


def test_nothing_is_raised_before_the_check():
    with stoppable() as one:
        check()
        send(TERM, one, 2)
        [time.sleep(0) for _ in range(1000)]
        with pytest.raises(KeyboardInterrupt):
            check()


@pytest.mark.parametrize("number", [TERM, HUP])
def test_only_ctrl_c_can_be_gentle(number):
    with stoppable() as one, gently():
        send(number, one, 2)
    with stoppable() as one:
        send(INT, one, 2)


def test_the_second_ctrl_c_is_for_now():
    with stoppable() as one, gently():
        send(INT, one, 1)
        assert one._deadline is None  # what runs may take its time
        send(INT, one, 2)
        assert one._deadline is not None
        with pytest.raises(KeyboardInterrupt):
            one.check()


def test_the_way_out_has_more_time_than_the_way_to_it(monkeypatch):
    monkeypatch.setattr(stopping, "WAY_OUT", 600.0)
    with stoppable() as one:
        send(TERM, one, 2)
        with suppress(KeyboardInterrupt):
            check()
        assert one._deadline > time.monotonic() + 500
        os.kill(os.getpid(), TERM)  # but not for who insists
        until = time.monotonic() + 20
        while one._deadline > time.monotonic() + 100 and time.monotonic() < until:
            time.sleep(0.001)
        assert one._deadline < time.monotonic() + 100


def test_handlers_are_as_before():
    before = [signal.getsignal(number) for number in (INT, TERM, HUP)]
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    pipe = signal.set_wakeup_fd(writer)
    try:
        with stoppable() as one, stoppable(leaves=True) as other:
            assert one is other and signal.getsignal(INT) not in before
        assert signal.set_wakeup_fd(writer) == writer
    finally:
        signal.set_wakeup_fd(pipe)
        os.close(reader), os.close(writer)
    assert [signal.getsignal(number) for number in (INT, TERM, HUP)] == before
    assert not any(thread.name == "signals" for thread in threading.enumerate())
    check()  # nothing to look at


def test_what_others_handle_or_ignore_is_left_to_them():
    """`nohup` ignores SIGHUP."""
    heard = []
    before = {TERM: signal.signal(TERM, lambda *_: heard.append(TERM)), HUP: signal.signal(HUP, signal.SIG_IGN)}
    try:
        with stoppable() as one:
            for number in (HUP, TERM):
                os.kill(os.getpid(), number)
            time.sleep(0.1)
            assert heard == [TERM] and one.asked == 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_another_thread_hears_nothing():
    found = []

    def body():
        with stoppable() as one:
            found.append(one.asked)
            found.append(signal.getsignal(INT))
            check()

    with stoppable() as main:
        send(INT, main, 2)
        ours = signal.getsignal(INT)
        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
    assert found == [0, ours]


def test_a_copy_of_the_process_does_not_speak_for_it():
    """What the copy gets, it neither tells to the first process nor dies of, where it is Ctrl-C for the whole group."""
    with stoppable() as one:
        before = one._before[TERM]
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                os.kill(os.getpid(), INT)
                check()
                fine = signal.getsignal(TERM) == before and signal.set_wakeup_fd(-1) == -1
                os._exit(0 if fine else 1)
            os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        time.sleep(0.1)
        assert one.asked == 0
        send(TERM, one, 2)  # it still hears
        assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & {INT, TERM, HUP}


def test_signals_while_processes_are_begun_are_not_lost():
    """It is then that exceptions of a handler went nowhere. Each round: a signal to the group amid a fork."""
    for _ in range(5):
        with stoppable() as one, gently():
            threading.Timer(0.002, lambda: os.kill(os.getpid(), TERM)).start()
            begun = []
            while not one.asked and len(begun) < 5000:
                begun.append(subprocess.Popen(["/bin/true"], preexec_fn=lambda: None))
            assert one.asked == 2
            assert [process.wait() for process in begun] == [0] * len(begun)


def program(body):
    """A process that runs `body` where signals are taken, with little patience, and says when it has begun."""
    code = f"""
import signal, sys, time
from fastcifar import stopping
from fastcifar.stopping import check, gently, last_words, stoppable
stopping.GRACE = 0.3
def work(seconds):  # that looks at nothing
    print("begun", flush=True)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            time.sleep(0.01)
        except KeyboardInterrupt:
            print("raised", flush=True)
            sys.exit(5)
{body}
"""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", code], text=True, **pipes)
    assert process.stdout.readline() == "begun\n"
    return process


def test_who_does_not_look_is_left():
    process = program(
        """
with stoppable(leaves=True):
    last_words(lambda: print("amid", end="") or "go on with: x")  # printed, but not flushed
    work(60)
"""
    )
    process.send_signal(TERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == "go on with: x\nfastcifar: interrupted\n" and out == "amid"


def test_a_program_of_others_is_not_left_but_gets_the_exception():
    process = program("with stoppable():\n    work(60)")
    process.send_signal(INT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (5, "raised\n", "")


def test_the_first_ctrl_c_waits_for_what_runs():
    process = program("with stoppable(leaves=True), gently():\n    work(1.2)\n    check()")
    process.send_signal(INT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -INT and "KeyboardInterrupt" in err  # by the check, not after GRACE


def test_a_terminal_that_goes_away():
    """The terminal is closed: SIGHUP, and nothing can be written any more."""
    code = """
import os, sys, time
from fastcifar.stopping import check, stoppable
with stoppable(leaves=True):
    os.write(int(sys.argv[1]), b"begun")  # a write to the terminal could still be under way when that is closed
    try:
        while True:
            time.sleep(0.01)
            check()
    except KeyboardInterrupt:
        print("ended", flush=True)
        print("ended", file=sys.stderr, flush=True)
        sys.exit(3)
"""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    child, master = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", code, str(writer)])
    assert os.read(reader, 100) == b"begun"
    for descriptor in (master, reader, writer):
        os.close(descriptor)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3


def test_last_words_need_no_block():
    last_words(lambda: "nothing")
    with gently():
        check()
