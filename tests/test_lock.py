from contextlib import closing
from pathlib import Path

import pytest

from fastcifar.lock import LOCK, Watched, in_use, take


class GoneError(Exception):
    pass


def test_one_holds_the_lock(tmp_path):
    assert not in_use(tmp_path)
    held = take(tmp_path)
    assert held is not None
    with closing(held):
        assert in_use(tmp_path)
        assert take(tmp_path) is None
    assert not in_use(tmp_path)
    with pytest.raises(FileNotFoundError):
        take(tmp_path / "missing")


@pytest.mark.parametrize("opened", [False, True])
def test_another_file_in_the_place_of_one_that_is_watched(tmp_path, opened):
    path = tmp_path / LOCK
    with path.open("w") as file:
        watched = Watched(path, file if opened else None)
        watched.check(GoneError)
        moved = path.rename(tmp_path / "moved")
        with pytest.raises(GoneError, match=f"^{tmp_path} was deleted or moved"):
            watched.check(GoneError)
        Path(path).touch()
        with pytest.raises(GoneError, match="nothing more is kept"):
            watched.check(GoneError)
        path.unlink()
        moved.rename(path)
        watched.check(GoneError)
