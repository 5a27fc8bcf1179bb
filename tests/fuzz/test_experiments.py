"""Archives and databases of experiments, spoilt at random: what `load` takes can be looked at and exported."""

import gzip
import io
import random
import shutil
import sqlite3
import tarfile
from contextlib import closing

import pytest
from experiments import FITS, SPACE
from fuzzing import spoilt

from fastcifar.experiment.exchange.export import to_csv, to_json
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.archive import load, save
from fastcifar.experiment.store.listing import overview
from fastcifar.experiment.store.store import FILE, Store, TrialRow

HEADERS = (
    b"../",
    b"/",
    b"1",
    b"2",
    b"5",
    b"L",
    b"x",
    b"\0",
    b"7777777",
    b"\x80" + b"\xff" * 11,
    bytes(512),
    b"9 a=b\n",
)
PAGES = (b"\0", b"\xff" * 4, b"view", b"CREATE TRIGGER", b"{", b"[" * 300, b"\x0d", b"\x05")
VALUES = (
    None,
    1e300,
    float("inf"),
    -1,
    "",
    "[",
    "[" * 900 + "]" * 900,
    "{}",
    "NaN",
    b"\xff",
    "\x1b[2J\n",
    2**62,
    "1" * 500,
)
COLUMNS = {
    "meta": ("key", "value"),
    "trials": "number kind params seed state value metrics message started ended".split(),
    "reports": ("trial", "step", "value", "time"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("runs") / "one"
    made.mkdir()
    with closing(Store.create(made, {"spec": Spec(space=SPACE).to_dict(), "status": "done"})) as store:
        for number in range(5):
            row = TrialRow(number=number, kind="search", params=FITS, seed=number, started=1.0)
            store.start(row)
            store.report(number, 0, 0.5)
            row.state, row.value, row.ended, row.metrics = "finished", 0.1 * number, 2.0, {"flops": 3}
            store.end(row)
    (made / "log.txt").write_text("told\n" * 50)
    return made


def looked_at(made):
    """What the commands do with an experiment; nothing but one line may come of it."""
    overview(made)
    with closing(Store.read(made)) as store:
        spec = Spec.from_dict(store.meta()["spec"])
        assert spec.name and to_json(store.trials(), store.reports())
        to_csv(store.trials()).encode()
        store.reports()
    shutil.rmtree(made)


@pytest.mark.fuzz(60)
def test_archives(cases, answer, folder, tmp_path):
    draw = random.Random(6)
    save(folder, tmp_path / "good.tar.gz")
    whole = gzip.decompress((tmp_path / "good.tar.gz").read_bytes())
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        starts = [member.offset for member in tar]
    path, out = tmp_path / "one.tar.gz", tmp_path / "out"
    for number in range(cases):
        start = draw.choice(starts)
        content = whole[:start] + spoilt(whole[start : start + 1536], draw, HEADERS) + whole[start + 1536 :]
        content = gzip.compress(content, 1)
        path.write_bytes(spoilt(content, draw, HEADERS) if number % 5 == 0 else content)
        made = answer(lambda: load(path, out), path)
        if made is not None:
            assert made.parent == out
            looked_at(made)
        assert sorted(file.name for file in tmp_path.iterdir()) == ["good.tar.gz", "one.tar.gz", "out"]
        assert list(out.iterdir()) == []


def statement(draw):
    table = draw.choice(list(COLUMNS))
    return f"UPDATE {table} SET {draw.choice(COLUMNS[table])} = ?", draw.choice(VALUES)


@pytest.mark.fuzz(60)
def test_databases(cases, answer, folder, tmp_path):
    draw = random.Random(7)
    with closing(sqlite3.connect(folder / FILE)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = (folder / FILE).read_bytes()
    path, out, database = tmp_path / "one.tar.gz", tmp_path / "out", tmp_path / "x.db"
    taken = 0
    for number in range(cases):
        database.write_bytes(spoilt(whole, draw, PAGES) if number % 2 else whole)
        if number % 2 == 0:
            with closing(sqlite3.connect(database)) as connection:
                connection.execute("PRAGMA journal_mode = DELETE")
                text, value = statement(draw)
                try:
                    connection.execute(text, (value,))
                    connection.commit()
                except sqlite3.Error:
                    pass
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            archive.add(database, f"one/{FILE}")
        made = answer(lambda: load(path, out), path)
        if made is not None:
            taken += 1
            looked_at(made)
        assert list(out.iterdir()) == []
    assert taken
