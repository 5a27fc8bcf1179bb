"""Names of folders, where hundreds are made in a second."""

import itertools

import pytest

from fastcifar import making
from fastcifar.experiment.store.folders import make_folder
from fastcifar.experiment.store.store import StoreError
from fastcifar.train.record.folder import Folder, RecordError


def test_a_name_that_is_there_is_not_taken(tmp_path, monkeypatch):
    """Whoever makes the folder."""
    drawn = itertools.chain.from_iterable([name] * 3 for name in ("aaaa", "bbbb", "cccc", "dddd"))
    monkeypatch.setattr(making.secrets, "token_hex", lambda size: next(drawn))
    monkeypatch.setattr(making.time, "strftime", lambda form: "20261201-120000")
    made = [making.new_folder(tmp_path, "x"), make_folder(tmp_path, "x"), Folder.create(tmp_path, "x", 0).path]
    assert [path.name for path in made] == [f"20261201-120000-x-{end}" for end in ("aaaa", "bbbb", "cccc")]


def test_no_name_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(making.secrets, "token_hex", lambda size: "aaaa")
    monkeypatch.setattr(making.time, "strftime", lambda form: "20261201-120000")
    make_folder(tmp_path / "deep" / "er", "x")
    with pytest.raises(StoreError, match="File exists"):
        make_folder(tmp_path / "deep" / "er", "x")
    with pytest.raises(RecordError, match="File exists"):
        Folder.create(tmp_path / "deep" / "er", "x", 0)


def test_hundreds_in_a_second(tmp_path):
    assert len({making.new_folder(tmp_path, "x") for _ in range(600)}) == 600
