"""An experiment whose folder is deleted, moved or replaced while it is used; one on a disk that cannot be written."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from scripted import Scripted, plain
from signalled import send

from fastcifar import stopping
from fastcifar.cli import run
from fastcifar.experiment.loop import TICK, Limits
from fastcifar.experiment.objectives.training.cost import probe
from fastcifar.experiment.session import driving
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.frozen import connect_frozen
from fastcifar.experiment.store.store import FILE, FINISHED, Store, StoreError, TrialRow
from fastcifar.stopping import stoppable
from fastcifar.train import Recipe

GONE = "was deleted or moved while it was in use; nothing more is kept"
ENTRIES = {"x": {"_type": "uniform", "_value": [0, 1]}}
ROW = TrialRow(number=0, kind="search", params={"x": 0.5}, seed=0, started=1.0)
ENDED = replace(ROW, state=FINISHED, value=0.25, ended=2.0)


def delete(folder):
    shutil.rmtree(folder)


def move(folder):
    folder.rename(folder.with_name("moved"))


def change(folder):
    shutil.rmtree(folder)
    folder.mkdir()
    Store.create(folder, {}).close()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "x").mkdir()
    return tmp_path / "x"


@pytest.mark.parametrize("harm", [delete, move, change])
def test_nothing_is_written_to_a_file_that_has_gone(folder, harm):
    store = Store.create(folder, {})
    store.start(ROW)
    harm(folder)
    for write in (
        lambda: store.set({"a": 1}),
        lambda: store.start(replace(ROW, number=1)),
        lambda: store.restart(0, 2.0),
        lambda: store.report(0, 0, 1.0),
        lambda: store.end(ENDED),
        lambda: store.add(replace(ENDED, number=1), [1.0]),
    ):
        with pytest.raises(StoreError, match=GONE):
            write()
    store.close()
    if harm is change:
        assert Store.read(folder).trials() == []


@pytest.mark.parametrize("harm", [delete, change])
def test_a_search_notices_before_it_announces_another_trial(tmp_path, search, harm):
    announced = []

    def watch(driver):
        announced.append(sum(row.state == FINISHED for row in driver.rows.values()))
        if announced[-1] == 3 and (tmp_path / FILE).exists() and len(set(announced)) == 4:
            for path in tmp_path.iterdir():
                path.unlink()
            if harm is change:
                Store.create(tmp_path, {}).close()
            announced.append(-1)

    with pytest.raises(StoreError, match=GONE):
        search(Scripted(plain), watch, limits=Limits(trials=1000))
    assert [found for found in announced[announced.index(-1) + 1 :] if found > 3] == []


def test_a_search_whose_trials_take_long_notices_within_a_second(folder):
    began, noticed = [], []

    def watch(driver):
        if driver.running and not began:
            began.append(time.monotonic())
            delete(folder)

    spec = Spec(space=ENTRIES, tuner={"name": "Random"}, trials=5, command="sleep 60")
    with pytest.raises(StoreError, match=GONE), driving(folder, spec, watch) as driver:
        try:
            driver.search()
        finally:
            noticed.append(time.monotonic())
    assert noticed[0] - began[0] < 2 * TICK + 5  # a busy machine; not the minute of the trial
    assert not (folder / FILE).exists()


def test_measuring_notices_too(folder):
    class Never(Scripted):
        def events(self, timeout):
            assert timeout <= 0.5  # seconds between two looks
            delete(folder) if folder.exists() else None
            return []

    store = Store.create(folder, {})
    with pytest.raises(StoreError, match=GONE):
        probe(Never(plain), Recipe(), folder, 1000, store.check)


def test_a_signal_ends_the_measuring(folder, monkeypatch):
    class Never(Scripted):
        def events(self, timeout):
            send(signal.SIGTERM)
            return []

    monkeypatch.setattr(stopping, "GRACE", 60.0)
    with stoppable(), pytest.raises(KeyboardInterrupt):
        probe(Never(plain), Recipe(), folder, 1000)


def test_the_command_says_so_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.json").write_text('{"x": {"_type": "uniform", "_value": [0, 1]}}')
    delete_all = f"{sys.executable} -c 'import shutil; shutil.rmtree(\"runs\")'"
    assert run(["search", "--space", "space.json", "--command", delete_all, "--trials", "25", "--tuner", "Random"]) == 1
    out, err = capsys.readouterr()
    (line,) = [line for line in err.splitlines() if line.startswith("fastcifar: ")]
    assert line.endswith(GONE) and "trial 1 " not in err and "best" not in out and "--resume" not in err


def killed(folder):
    """An experiment whose driver was killed: the trial is in the log, and not yet in the file."""
    child = os.fork()
    if child == 0:
        store = Store.create(folder, {"spec": Spec(space=ENTRIES).to_dict()})
        store.start(ROW)
        store.end(ENDED)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert (folder / f"{FILE}-wal").stat().st_size


def test_reading_where_nothing_can_be_written(folder):
    """What a killed driver has left in the log counts, with or without the file that SQLite makes beside it."""
    killed(folder)
    (folder / f"{FILE}-shm").unlink()
    before = {path: path.read_bytes() for path in folder.iterdir()}
    read = connect_frozen(folder / FILE)
    assert read.execute("SELECT value FROM trials").fetchall() == [(0.25,)]
    assert read.execute("PRAGMA user_version").fetchone() == (2,)
    read.close()
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    Store.open(folder).close()  # closing moves all of it into the file
    read = connect_frozen(folder / FILE)
    assert read.execute("SELECT value FROM trials").fetchall() == [(0.25,)]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        read.execute("DELETE FROM trials")
    read.close()


READ_ONLY = """
mount -o bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 77
shift
exec "$@"
"""
LOOK = """
import sys
from pathlib import Path
from fastcifar import stopping
from fastcifar.cli import run
from fastcifar.experiment.store.reader import Reader
for words in (["list"], *([what, name] for name in sys.argv[1:] for what in ("show", "trials", "export"))):
    print("code", words, run(["experiment", *words, "--out", "runs"]))
for name in sys.argv[1:]:
    reader = Reader(Path("runs", name))
    found = reader.changes()
    print("changes", found.everything, len(found.trials), reader.changes(found.point).trials)
"""


@pytest.mark.skipif(not shutil.which("unshare") or os.geteuid() != 0, reason="only root can mount a disk read-only")
def test_looking_at_experiments_on_a_read_only_disk(tmp_path):
    for name, harm in (("whole", lambda folder: Store.open(folder).close()), ("killed", lambda folder: None)):
        (tmp_path / "runs" / name).mkdir(parents=True)
        killed(tmp_path / "runs" / name)
        (tmp_path / "runs" / name / "lock").touch()
        harm(tmp_path / "runs" / name)
    shutil.copytree(tmp_path / "runs" / "killed", tmp_path / "runs" / "copied")
    (tmp_path / "runs" / "copied" / f"{FILE}-shm").unlink()
    names = ["whole", "copied"]
    program = ["unshare", "-m", "sh", "-c", READ_ONLY, "sh", str(tmp_path / "runs"), sys.executable, "-c", LOOK, *names]
    (tmp_path / "temporary").mkdir()
    places = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    done = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path, env=places)
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip(f"no read-only disk can be had here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    codes = [line for line in done.stdout.splitlines() if line.startswith("code ")]
    assert len(codes) == 7 and all(code.endswith(" 0") for code in codes), done.stdout + done.stderr
    assert done.stdout.count("0.25") == 9, done.stdout  # 3 in the list, and one for each of the others
    assert done.stdout.count("changes True 1 []") == 2, done.stdout
    assert list((tmp_path / "temporary").iterdir()) == []
