import time

from fastcifar.experiment.store.folders import find_folder, make_folder
from fastcifar.experiment.store.store import Store
from fastcifar.making import new_folder
from fastcifar.names import for_a_folder, nearest, short, shown


def test_a_value_is_short_whatever_it_is():
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep, deep]  # written out, 2^5000 lists
    values = [
        deep,
        list(range(10**6)),
        "x" * 10**6,
        10**5000,
        -(10**5000),
        {str(i): i for i in range(10**5)},
        b"y" * 999,
    ]
    start = time.process_time()
    for value in values:
        found = short(value)
        assert len(found) <= 60 and found.isprintable()
    assert time.process_time() - start < 1
    assert short({"b": 1, "a": [1, "x"]}) == "{'b': 1, 'a': [1, 'x']}"
    assert short(10**5000) == "2^16609..." and short(123456789) == "123456789"


def test_names_are_shown_as_they_are_where_they_fit_a_line():
    assert shown("net/big/width") == "net/big/width"
    assert shown("a\n\x1b[2J") == r"'a\n\x1b[2J'"
    assert len(shown("x" * 500)) <= 60 and shown(3) == "3"
    assert nearest("x" * 10**6, ["lr", "wd"]) == "; there are lr, wd"
    assert nearest("l r", ["lr", "wd"]) == "; did you mean lr?"


def test_a_long_name_is_cut_for_its_folder(tmp_path):
    assert for_a_folder("short") == "short" and for_a_folder("x" * 300) == "x" * 100
    assert for_a_folder("ä" * 300) == "ä" * 50 and for_a_folder("a" + "ä" * 300) == "a" + "ä" * 49
    folder = make_folder(tmp_path, "ä" * 300)
    Store.create(folder, {}).close()
    assert find_folder(tmp_path, folder.name[:30]) == folder
    new_folder(tmp_path, "x" * 300)
