"""What is announced is there, whatever happens; one writes, anyone reads."""

import json
import math
import os
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fastcifar.errors import Notice
from fastcifar.experiment.store.requests import Requests, ask
from fastcifar.experiment.store.store import (
    FAILED,
    FILE,
    FINISHED,
    RUNNING,
    Store,
    StoreError,
    TrialRow,
    locked,
)
from fastcifar.lock import in_use


def row(number, **changes):
    return replace(TrialRow(number=number, kind="search", params={"x": number / 3}, seed=7, started=100.0), **changes)


def ended(number, **changes):
    return row(number, state=FINISHED, value=0.1 * number, ended=101.5, **changes)


def test_round_trip(tmp_path):
    store = Store.create(tmp_path, {"spec": {"a": [1, None]}})
    first = ended(0, params={"x": 0.1 + 0.2, "net": {"_name": "a", "k": "ü"}}, metrics={"m": [1, 2.5]}, message="m")
    store.start(first)
    store.end(first)
    store.start(row(1, kind="confirm"))
    store.report(1, 0, 0.25)
    store.report(1, 1, math.nan)
    failed = row(2, state=FAILED, message="no", ended=103.0)
    store.add([(failed, [1.5, 2.5])], {})
    store.set({"status": "done", "spec": 3})
    store.close()
    for opened in (Store.open, Store.read):
        store = opened(tmp_path)
        assert store.meta() == {"spec": 3, "status": "done"}
        assert store.trials() == [first, row(1, kind="confirm"), failed]
        assert [one.seconds for one in store.trials()] == [1.5, None, 3.0]
        reports = store.reports()
        assert reports[2] == [1.5, 2.5] and reports[1][0] == 0.25 and math.isnan(reports[1][1])
        assert len(reports[1]) == 2 and set(reports) == {1, 2}
        store.close()


def test_a_trial_that_begins_anew_has_no_reports(tmp_path):
    store = Store.create(tmp_path, {})
    for number in (0, 1):
        store.start(row(number))
        store.report(number, 0, 0.5)
    store.restart(0, 200.0)
    assert store.reports() == {1: [0.5]}
    assert store.trials() == [row(0, started=200.0), row(1)]
    store.report(0, 0, 0.75)
    assert store.reports()[0] == [0.75]


def test_metrics_that_are_no_json_are_kept_as_text(tmp_path):
    store = Store.create(tmp_path, {})
    store.start(row(0))
    store.end(ended(0, metrics={"path": Path("a"), "bad": math.nan}))
    metrics = store.trials()[0].metrics
    assert metrics["path"] == "a" and math.isnan(metrics["bad"])


def test_what_is_no_experiment(tmp_path):
    with pytest.raises(StoreError, match=r"is no experiment: there is no experiment\.db"):
        Store.open(tmp_path)
    (tmp_path / FILE).write_bytes(b"")
    with pytest.raises(StoreError, match="is empty; delete the folder"):
        Store.read(tmp_path)
    (tmp_path / FILE).write_bytes(b"no database, but long enough to be looked at" * 100)
    with pytest.raises(StoreError, match=r"experiment\.db: file is not a database"):
        Store.open(tmp_path)
    with pytest.raises(StoreError, match="unable to open"):
        Store.create(tmp_path / "missing", {})


def test_newer_version(tmp_path):
    Store.create(tmp_path, {}).close()
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    for opened in (Store.open, Store.read):
        with pytest.raises(StoreError, match="has version 9 of the schema; this fastcifar knows 2"):
            opened(tmp_path)


def test_half_a_file_cannot_be(tmp_path):
    """A process that is killed while it makes the file leaves none, and the next one can be made."""
    code = f"""
import json, os
from pathlib import Path
import fastcifar.experiment.store.store as module
module._values = lambda meta: os.kill(os.getpid(), 9)
module.Store.create(Path({str(tmp_path)!r}), {{"spec": 1}})
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".new")] == [f"{FILE}.new"]
    with pytest.raises(StoreError, match="no experiment"):
        Store.open(tmp_path)
    assert Store.create(tmp_path, {"spec": 2}).meta() == {"spec": 2}
    assert not list(tmp_path.glob(f"{FILE}.new*"))


def test_one_writer(tmp_path):
    assert not in_use(tmp_path)
    with locked(tmp_path):
        assert in_use(tmp_path)
        with pytest.raises(StoreError, match="another process is at work"), locked(tmp_path):
            pass
        code = "import pathlib\n"
        code += "from fastcifar.experiment.store.store import locked\nfrom fastcifar.lock import in_use\n"
        code += f"path = pathlib.Path({str(tmp_path)!r}); print(in_use(path))\nwith locked(path): print('both')"
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert other.stdout == "True\n" and "StoreError" in other.stderr
    assert not in_use(tmp_path)


def test_a_lock_that_is_held_for_a_moment_is_waited_for(tmp_path):
    """As by one that looks, or by the last worker of a killed driver."""
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with locked(tmp_path):
            entered.set()
            leave.wait(5)

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(5)
    threading.Timer(0.1, leave.set).start()
    with locked(tmp_path):
        assert leave.is_set()
    thread.join()


def test_readers_beside_the_writer(tmp_path):
    """Readers see a growing prefix of what was written, and neither waits for the other."""
    writer = Store.create(tmp_path, {})
    seen, errors, done = [], [], threading.Event()

    def read():
        try:
            while not done.is_set():
                store = Store.read(tmp_path)
                seen.append([one.number for one in store.trials()])
                store.close()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    slow = Store.read(tmp_path)
    slow.connection.execute("BEGIN")
    before = slow.trials()
    for number in range(300):
        writer.start(row(number))
    assert slow.trials() == before  # a transaction that stays open keeps what it saw
    done.set()
    thread.join()
    assert not errors
    assert all(numbers == list(range(len(numbers))) for numbers in seen)
    assert len(Store.read(tmp_path).trials()) == 300


def test_a_reader_cannot_write(tmp_path):
    Store.create(tmp_path, {}).close()
    with pytest.raises(StoreError, match="readonly"):
        Store.read(tmp_path).start(row(0))


def write_until_full(store):
    announced = []
    with pytest.raises(StoreError, match=r"experiment\.db: ") as caught:
        for number in range(10_000):
            store.start(row(number, params={"text": "x" * 500}))
            store.end(ended(number))
            announced.append(number)
    return announced, caught.value


def test_full_database(tmp_path):
    store = Store.create(tmp_path, {})
    store.connection.execute("PRAGMA max_page_count = 60")
    announced, error = write_until_full(store)
    assert "full" in str(error) and len(announced) > 20
    store.connection.execute("PRAGMA max_page_count = 6000")
    store.set({"status": "there is room again"})
    store.close()
    assert [one.number for one in Store.open(tmp_path).trials() if one.state == FINISHED] == announced


def test_full_disk(tmp_path):
    code = f"""
import json, resource, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_store import Store, write_until_full
store = Store.create(Path({str(tmp_path)!r}), {{"spec": 1}})
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
print(json.dumps(write_until_full(store)[0]))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    announced = json.loads(result.stdout)
    store = Store.open(tmp_path)
    trials = store.trials()
    assert len(announced) > 20 and [one.number for one in trials if one.state == FINISHED] == announced
    assert [one.number for one in trials if one.state == RUNNING] in ([], [len(announced)])
    assert store.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_killed_writer(tmp_path):
    """What was announced on stdout is there after SIGKILL, at whatever moment it comes."""
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_store import Store, ended, row
path = Path({str(tmp_path)!r})
store = Store.create(path, {{}})
for number in range(100_000):
    store.start(row(number))
    store.report(number, 0, 1.0)
    store.end(ended(number))
    print(number, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    lines = [process.stdout.readline() for _ in range(200)]
    process.kill()
    announced = int([*lines, *process.stdout.read().split()][-1])  # there may be no more to read
    process.wait()
    store = Store.open(tmp_path)
    assert [one.number for one in store.trials() if one.state == FINISHED][: announced + 1] == [*range(announced + 1)]
    assert all(store.reports()[number] == [1.0] for number in range(announced + 1))


def test_speed(tmp_path):
    """A trial costs under 2 ms, its report included; 10,000 are listed in a second."""
    store = Store.create(tmp_path, {})
    began = time.perf_counter()
    for number in range(500):
        store.start(row(number))
        store.report(number, 0, 1.0)
        store.end(ended(number))
    assert (time.perf_counter() - began) / 500 < 0.002 * 2  # this machine may be busy
    rest = (ended(number, metrics={"flops": number, "train_seconds": 1.5}) for number in range(500, 10_000))
    store.add([(one, []) for one in rest], {})
    store.close()
    store = Store.read(tmp_path)
    began = time.perf_counter()
    assert len(store.trials()) == 10_000
    assert time.perf_counter() - began < 1


def test_requests(tmp_path):
    ask(tmp_path, {"stop": True})
    requests = Requests(tmp_path)
    assert requests.new() == []  # it was asked of an earlier driver
    ask(tmp_path, {"kill": 3})
    with (tmp_path / "requests.jsonl").open("ab") as file:
        file.write(b'\xff\n[1]\nnonsense\n{"kill"')
        file.flush()
        with pytest.warns(Notice, match="a request is passed over") as told:
            assert requests.new() == [{"kill": 3}]
        assert len(told) == 3 and "an object is needed, not [1]" in str(told[1].message)
        file.write(b": 4}\n")
    assert requests.new() == [{"kill": 4}]
    (tmp_path / "requests.jsonl").unlink()
    assert requests.new() == []
    assert Requests(tmp_path / "nowhere").new() == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"update": 5}', "update cannot be 5"),
        ('{"kill": [1]}', "kill cannot be [1]"),
        ('{"kill": true}', "kill cannot be True"),
        ('{"stop": 1}', "stop cannot be 1"),
        ('{"update": {"trials": "abc"}}', "update: trials cannot be 'abc'"),
        ('{"update": {"concurrency": 0}}', "update: concurrency cannot be 0"),
        ('{"update": {"seconds": NaN}}', "update: seconds cannot be nan"),
        ('{"update": {"seconds": 0}}', "update: seconds cannot be 0"),
        ('{"update": {"max_failures": -1}}', "update: max_failures cannot be -1"),
        ('{"update": {"trials": 1' + "0" * 400 + "}}", "update: trials cannot be 2^1328..."),
        ('{"update": {"seed": 3}}', "update: seed cannot be 3"),
        ('{"halt": 1}', "halt is nothing that can be asked for; stop, now, kill, update are"),
        ("[" * 100_000, "maximum recursion depth"),
    ],
)
def test_requests_that_are_none(tmp_path, line, why):
    """They are told of, and stop nothing; what follows them is done."""
    requests = Requests(tmp_path)
    (tmp_path / "requests.jsonl").write_text(line + "\n")
    wanted = {"update": {"trials": 5, "seconds": 2.5, "max_failures": 0}}
    ask(tmp_path, wanted)
    with pytest.warns(Notice) as told:
        assert requests.new() == [wanted]
    assert why in str(told[0].message) and str(tmp_path) in str(told[0].message)


def test_a_request_without_an_end(tmp_path):
    requests = Requests(tmp_path)
    (tmp_path / "requests.jsonl").write_bytes(b"x" * (3 << 20))
    for _ in range(5):
        assert requests.new() == []
    ask(tmp_path, {"stop": True})
    assert requests.new() == [{"stop": True}]


def test_descriptors_are_given_back(tmp_path):
    Store.create(tmp_path, {}).close()
    count = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(3):
        Store.read(tmp_path).close()
        with locked(tmp_path):
            assert in_use(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == count  # noqa: PTH208
