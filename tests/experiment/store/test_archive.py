"""Archives that were made to do harm, and databases with more in them than an experiment has."""

import gzip
import io
import os
import sqlite3
import tarfile
import time
from contextlib import closing
from pathlib import Path

import pytest
from experiments import FITS, SPACE, rows_of

from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store import unpack
from fastcifar.experiment.store.archive import load, save
from fastcifar.experiment.store.store import FILE, Store, StoreError, TrialRow


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "runs" / "one"
    made.mkdir(parents=True)
    with closing(Store.create(made, {"spec": Spec(space=SPACE).to_dict()})) as store:
        for number in range(3):
            store.start(TrialRow(number=number, kind="search", params=FITS, seed=number, started=1.0))
            store.report(number, 0, float("inf"))
            store.report(number, 1, float("nan"))
            store.end(
                TrialRow(number=number, kind="search", params=FITS, seed=1, state="failed", started=1.0, ended=2.0)
            )
    return made


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def refused(path, out, *parts):
    """`load` says so in one line, and leaves nothing behind."""
    with pytest.raises(StoreError) as caught:
        load(path, out)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message and len(message) < 400, message
    for part in parts:
        assert part in message
    assert list(out.iterdir()) == []


def packed(path, *entries, database=None):
    """An archive of (TarInfo, content), after an experiment's database if there is one."""
    with tarfile.open(path, "w:gz") as archive:
        if database is not None:
            archive.add(database, f"one/{FILE}")
        for entry, content in entries:
            info = tarfile.TarInfo(entry) if isinstance(entry, str) else entry
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def of_type(name, kind):
    info = tarfile.TarInfo(name)
    info.type = kind
    return info, b""


def test_an_experiment_comes_back_with_all_its_files(folder, out, tmp_path, capsys):
    (folder / "trials" / "0").mkdir(parents=True)
    (folder / "trials" / "0" / "log é.txt").write_text("told")
    (folder / "trials" / "empty").mkdir()
    (folder / "run.sh").write_text("echo")
    (folder / "run.sh").chmod(0o755)
    os.link(folder / "run.sh", folder / "same.sh")
    (folder / "latest").symlink_to("trials")
    os.mkfifo(folder / "pipe")
    (folder / "lock").touch()
    save(folder, tmp_path / "one.tar.gz")
    assert f"left out: {folder / 'latest'} and 1 more" in capsys.readouterr().err
    made = load(tmp_path / "one.tar.gz", out)
    assert made == out / "one"
    names = [str(path.relative_to(made)) for path in sorted(made.rglob("*"))]
    assert names == [FILE, "run.sh", "same.sh", "trials", "trials/0", "trials/0/log é.txt", "trials/empty"]
    assert rows_of(made) == rows_of(folder)
    assert (made / "trials" / "0" / "log é.txt").read_text() == "told"
    assert (made / "same.sh").read_text() == "echo" and os.access(made / "run.sh", os.X_OK)
    with pytest.raises(FileExistsError, match="is there already"):
        load(tmp_path / "one.tar.gz", out)


def chain_of_links(path, target, content):
    """CVE-2025-4517: links whose full path is longer than PATH_MAX, beyond which `os.path.realpath` looks no further.

    After the advisory's own example, https://github.com/google/security-research/security/advisories/GHSA-hgqp-3mmf-7h8f
    """
    long, steps, base = "d" * 247, "abcdefghijklmnop", ""
    entries = []
    for step in steps:
        entries += [of_type(base + long, tarfile.DIRTYPE), link(base + step, long)]
        base += f"{long}/"
    short = "/".join(steps)
    entries.append(link(f"{short}/{'l' * 254}", "../" * len(steps)))
    up = f"{short}/{'l' * 254}/"
    entries.append(link("escape", f"{up}../../..{target.parent}"))
    entries += [link("flaglink", f"escape/{target.name}", tarfile.LNKTYPE), ("flaglink", content)]
    return packed(path, *entries)


def test_a_chain_of_links_leads_nowhere(tmp_path, out):
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    refused(chain_of_links(tmp_path / "evil.tar.gz", outside, b"theirs"), out, "is no plain file or folder")
    assert outside.read_text() == "mine"


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (("/etc/x", b"x"), "leads out of its folder"),
        (("one/../../x", b"x"), "leads out of its folder"),
        (("..", b"x"), "leads out of its folder"),
        (("one/" + "d/" * 64 + "x", b"x"), "folders deep"),
        (("one/" + "n" * 256, b"x"), "too long"),
        (("one/" + "n" * 200 + "/" + ("m" * 200 + "/") * 10 + "x", b"x"), "too long"),
        (("one/" + FILE, b"x"), "is there twice"),
        ((".", b"x"), "no name of a file"),
        (link("one/link", "/etc/passwd"), "no plain file or folder"),
        (link("one/link", f"one/{FILE}", tarfile.LNKTYPE), "no plain file or folder"),
        (of_type("one/pipe", tarfile.FIFOTYPE), "no plain file or folder"),
        (of_type("one/device", tarfile.CHRTYPE), "no plain file or folder"),
        (("two/x", b"x"), "no folder with"),
        (("one/zeros", bytes(65 << 20)), "unpacks to more than 67,108,864 bytes"),
        (("one/" + FILE + "-journal", b"x"), "has a experiment.db-journal"),
    ],
)
def test_what_an_experiment_does_not_have_is_refused(folder, out, tmp_path, entry, why):
    path = packed(tmp_path / "evil.tar.gz", entry, database=folder / FILE)
    refused(path, out, why)


def test_1500_folders_in_each_other_and_many_members(folder, out, tmp_path, monkeypatch):
    refused(packed(tmp_path / "deep.tar.gz", of_type("d/" * 1500, tarfile.DIRTYPE)), out, "too long")
    monkeypatch.setattr(unpack, "MAX_MEMBERS", 3)
    path = packed(tmp_path / "many.tar.gz", *[(f"one/{i}", b"") for i in range(4)], database=folder / FILE)
    refused(path, out, "more than 3 files and folders")


def test_spoilt_archives_and_odd_names(folder, out, tmp_path):
    save(folder, tmp_path / "one.tar.gz")
    whole = (tmp_path / "one.tar.gz").read_bytes()
    for content in (b"", b"text", whole[:-9], whole[: len(whole) // 2], whole[:-8] + b"\0" * 8, gzip.compress(b"x")):
        (tmp_path / "bad.tar.gz").write_bytes(content)
        refused(tmp_path / "bad.tar.gz", out)
    refused(tmp_path / "none.tar.gz", out, "No such file")
    refused(tmp_path, out, "Is a directory")
    refused(packed(tmp_path / "name.tar.gz", (f"a\x1b[2Jb\n/{FILE}", b"")), out, r"'a\x1b[2Jb\n' cannot be shown")


def changed(folder, tmp_path, *statements):
    with closing(sqlite3.connect(folder / FILE)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return packed(tmp_path / "evil.tar.gz", database=folder / FILE)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("CREATE VIEW v AS SELECT 1", "the view 'v' is none"),
        ("CREATE TRIGGER t AFTER INSERT ON meta BEGIN DELETE FROM trials; END", "the trigger 't' is none"),
        ("CREATE TABLE more (x)", "the table 'more' is none"),
        ("CREATE INDEX i ON trials (kind)", "the index 'i' is none"),
        ("CREATE VIRTUAL TABLE words USING fts5(x)", "is none of an experiment's"),
        ("ALTER TABLE trials ADD COLUMN more TEXT", "the table 'trials' is not as"),
        ("ALTER TABLE trials ADD COLUMN g TEXT GENERATED ALWAYS AS (zeroblob(1e9))", "the table 'trials' is not as"),
        ("DROP TABLE reports", "the table reports is missing"),
        ("PRAGMA user_version = 9", "has version 9"),
        ("UPDATE trials SET params = '[1]'", "params in the table trials cannot be '[1]'"),
        ("UPDATE trials SET metrics = '{'", "metrics in the table trials cannot be '{'"),
        ("UPDATE trials SET metrics = '{\"a\": 1' || printf('%.400c', '0') || '}'", "metrics in the table trials"),
        ("UPDATE trials SET state = 'odd'", "state in the table trials cannot be 'odd'"),
        ("UPDATE trials SET started = 'now'", "started in the table trials cannot be 'now'"),
        ("UPDATE trials SET started = 1e300", "started in the table trials cannot be 1e+300"),
        ("UPDATE trials SET value = 9e999", "value in the table trials cannot be inf"),
        ("UPDATE trials SET seed = x'00'", "seed in the table trials"),
        ("UPDATE meta SET value = printf('%.200000c', '[')", "value in the table meta cannot be '[[["),
        ("UPDATE meta SET value = '5'", "the spec cannot be 5"),
        ("UPDATE meta SET value = '{\"space\": 5}'", "space of the spec cannot be 5"),
        ('UPDATE meta SET value = \'{"space": {}, "name": [1]}\'', "name of the spec cannot be [1]"),
        ("DELETE FROM meta", "the spec cannot be None"),
    ],
)
def test_databases_with_more_or_less_than_an_experiment_has(folder, out, tmp_path, statement, why):
    refused(changed(folder, tmp_path, statement), out, why)


def test_a_damaged_database(folder, out, tmp_path):
    with closing(sqlite3.connect(folder / FILE)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'trials'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    content = bytearray((folder / FILE).read_bytes())
    content[(root - 1) * size + 3 : (root - 1) * size + 12] = os.urandom(9)
    (tmp_path / "bad.db").write_bytes(content)
    refused(packed(tmp_path / "bad.tar.gz", database=tmp_path / "bad.db"), out, FILE)
    (tmp_path / "bad.db").write_bytes(b"SQLite format 3\0" + bytes(1000))
    refused(packed(tmp_path / "bad.tar.gz", database=tmp_path / "bad.db"), out, FILE)


def test_a_database_that_takes_long_is_given_up(folder, out, tmp_path, monkeypatch):
    from fastcifar.experiment.store import foreign

    monkeypatch.setattr(foreign, "LEAST_SECONDS", 0.01)
    monkeypatch.setattr(foreign, "BYTES_PER_SECOND", 1e9)
    rows = "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)"
    path = changed(folder, tmp_path, f"{rows} INSERT INTO reports SELECT 1, i, 0.5, 1.0 FROM n")
    start = time.perf_counter()
    refused(path, out, "takes too long to read")
    assert time.perf_counter() - start < 5


def test_the_folder_where_it_shall_go_cannot_be_made(folder, tmp_path):
    save(folder, tmp_path / "one.tar.gz")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot write to the output folder"):
        load(tmp_path / "one.tar.gz", tmp_path / "file" / "out")
    assert not Path(tmp_path / "file" / "out").exists()
