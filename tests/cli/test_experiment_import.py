"""`fastcifar experiment import`, as its users meet it."""

import json
from pathlib import Path

import pytest
from experiments import FITS, output, rows_of, spec_of

from fastcifar.cli import run
from fastcifar.experiment.store.folders import make_folder
from fastcifar.experiment.store.store import Store


@pytest.mark.parametrize("name", ["all.json", "all.csv"])
def test_import_of_an_export_and_resume(id, capsys, name):
    output(capsys, "export", "-o", name)
    before = [row for row in rows_of(f"runs/{id}") if row.state == "finished"]
    here, id = id, make_folder(Path("runs"), "another").name
    Store.create(Path("runs", id), {"spec": spec_of(f"runs/{here}"), "status": "done"}).close()
    assert run(["experiment", "import", id, name]) == 0
    assert capsys.readouterr().err.startswith(f"{len(before)} trials were added; {8 - len(before)} were passed over")
    added = rows_of(f"runs/{id}")
    assert [(row.params, row.value, row.seed, row.started, row.ended) for row in added] == [
        (row.params, row.value, row.seed, row.started, row.ended) for row in before
    ]
    assert {(row.kind, row.state, row.message) for row in added} == {("search", "finished", f"imported from {name}")}
    assert spec_of(f"runs/{id}")["trials"] == 8 + len(before)
    for again in (id, here):
        assert run(["experiment", "import", again, name]) == 0
        assert capsys.readouterr().err.startswith(f"0 trials were added; {len(before)} were there already; ")
        assert len(rows_of(f"runs/{again}")) == (8 if again == here else len(before))
    assert run(["experiment", "update", id, "--trials", str(1 + len(before))]) == 0
    assert run(["experiment", "resume", id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trials"]["all"] == 1 + len(before)


def test_import_as_nnictl_exports(id, capsys):
    params = {"x": 0.5, "seed": None, "net": {"_name": "b"}}
    values = [7, "8", {"default": 9, "acc": 0.5}, '{"default": 10}']
    entries = [{"parameter": params, "value": value, "trialJobId": "k2Xf"} for value in values]
    Path("nni.json").write_text(json.dumps(entries))
    assert run(["experiment", "import", id, "nni.json"]) == 0
    added = rows_of(f"runs/{id}")[8:]
    assert [row.value for row in added] == [7, 8, 9, 10] and added[2].metrics == {"acc": 0.5}
    assert all(row.params == params for row in added)


def test_what_is_there_already_is_not_imported_again(id, capsys):
    """The same point may be tried twice, with one result: each trial stands for one entry."""
    point = {"x": 0.5, "seed": None, "net": {"_name": "b"}}

    def imported(*entries):
        Path("some.json").write_text(json.dumps([{"parameter": point, **entry} for entry in entries]))
        assert run(["experiment", "import", id, "some.json"]) == 0
        return capsys.readouterr().err.strip()

    assert imported({"value": 7}, {"value": 7}) == "2 trials were added"
    assert imported({"value": 7}) == "0 trials were added; 1 was there already"
    assert imported({"value": 7}, {"value": 7}, {"value": 7}) == "1 trial was added; 2 were there already"
    assert imported({"value": 7, "seed": 5}) == "1 trial was added"  # another run of the point
    assert imported({"value": 7, "seed": 5}, {"value": 8, "state": "failed"}) == (
        "0 trials were added; 1 was there already; 1 was passed over: no finished trial of a search"
    )
    assert imported({"value": 7, "parameter": {**point, "x": 0.25}}) == "1 trial was added"
    assert spec_of(f"runs/{id}")["trials"] == 8 + 5


@pytest.mark.parametrize(
    ("params", "value", "message"),
    [
        ({**FITS, "x": 1.5}, 1, "x: 1.5 is no value of uniform [0, 1]"),
        ({**FITS, "seed": 2}, 1, "seed: 2 is none of its values"),
        ({**FITS, "net": {"_name": "c"}}, 1, "net: {'_name': 'c'} is none of its options"),
        ({**FITS, "y": 1}, 1, "y: the space has no such parameter"),
        ({"x": 0.5}, 1, "seed: it is missing"),
        (FITS, "good", "value: a number is needed, not 'good'"),
        (FITS, None, "a result is a number"),
        (FITS, "NaN", "the result is nan"),
        (FITS, 10**400, "the result is a number beyond all floats, 2^1328..."),
        (FITS, "[" * 100_000, "value: a number is needed, not '[[["),
    ],
)
def test_import_names_the_entry_that_does_not_fit(id, capsys, params, value, message):
    Path("bad.json").write_text(json.dumps([{"parameter": FITS, "value": 1}, {"parameter": params, "value": value}]))
    assert f"bad.json, entry 1: {message}" in output(capsys, "import", id, "bad.json", code=2)
    assert len(rows_of(f"runs/{id}")) == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{]", "bad, line 1: not JSON"),
        ("{}", "bad: a list of entries is needed"),
        ("[1]", "bad, entry 0: an object"),
        ("x,y\n1,2\n", "bad: neither a JSON list nor CSV with a column 'value'"),
        ("value,x,params/seed,net/_name,z\n1,0.5,1,b,7\n", "bad, line 2: z: the space has no such parameter"),
        ("value,x,params/seed,net/_name\n1,0.5,1,c\n", "bad, line 2: net/_name: 'c' is none of 'a', 'b'"),
        ("value,x,params/seed,net/_name\n1,,1,b\n", "bad, line 2: x: it is missing"),
        ("value,x,params/seed,net/_name\n1,0.5,1,b,5,6\n", "bad, line 2: it has more cells"),
        ("value,x,params/seed,net/_name\n1,0.5,1," + "b" * 200_000, "bad, line 2: not CSV: field larger"),
        ("value" + "b" * 200_000, "bad, line 1: not CSV: field larger"),
        ("value,x,params/seed,net/_name\n1,0.5,1," + "[" * 100_000, "bad, line 2: net/_name: '[[["),
        ("[" * 100_000, "bad: lists and objects are nested too deeply"),
        ("[1" + "0" * 5000 + "]", "bad: a number has thousands of digits"),
        ("value,x,params/seed,net/_name,seed\n1,0.5,1,b,99999999999999999999\n", "bad, line 2: seed: a whole number"),
    ],
)
def test_import_of_a_bad_file(id, capsys, text, message):
    Path("bad").write_text(text)
    assert message in output(capsys, "import", id, "bad", code=2)
    assert len(rows_of(f"runs/{id}")) == 8


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seed": 2**63}, "seed: a whole number from 0 to 9223372036854775807 is needed, not 9223372036854775808"),
        ({"seed": -1}, "seed: a whole number from 0 to"),
        ({"seed": 0.5}, "seed: a whole number from 0 to"),
        ({"started": 1e300, "ended": 1.0}, "started: seconds since 1970 are needed, not 1e+300"),
        ({"started": 1.0, "ended": "x"}, "ended: seconds since 1970 are needed, not 'x'"),
        ({"started": -5}, "started: seconds since 1970 are needed, not -5"),
    ],
)
def test_import_checks_seeds_and_times(id, capsys, fields, message):
    before = spec_of(f"runs/{id}")["trials"]
    Path("bad.json").write_text(
        json.dumps([{"parameter": FITS, "value": 1}, {"parameter": FITS, "value": 2, **fields}])
    )
    assert f"bad.json, entry 1: {message}" in output(capsys, "import", id, "bad.json", code=2)
    assert len(rows_of(f"runs/{id}")) == 8 and spec_of(f"runs/{id}")["trials"] == before
    Path("good.json").write_text(json.dumps([{"parameter": FITS, "value": 1, "seed": 2**63 - 1}]))
    output(capsys, "import", id, "good.json")
    assert rows_of(f"runs/{id}")[-1].seed == 2**63 - 1


def test_import_is_one_transaction(id, capsys, monkeypatch):
    """Where the disk fails at the second trial, the first is not there either, and the limit is as it was."""
    before = spec_of(f"runs/{id}")["trials"]
    store = Store.open(Path("runs", id))
    store.connection.execute(
        "CREATE TRIGGER full BEFORE INSERT ON trials WHEN NEW.number = 9 BEGIN SELECT RAISE(ABORT, 'no room'); END"
    )
    store.close()
    entries = [{"parameter": {**FITS, "x": x}, "value": 1, "intermediate": [1, "2", None]} for x in (0.1, 0.2, 0.3)]
    Path("some.json").write_text(json.dumps(entries))
    assert "no room" in output(capsys, "import", id, "some.json", code=1)
    assert len(rows_of(f"runs/{id}")) == 8 and spec_of(f"runs/{id}")["trials"] == before
    store = Store.open(Path("runs", id))
    store.connection.execute("DROP TRIGGER full")
    output(capsys, "import", id, "some.json")
    assert store.reports()[9][:2] == [1.0, 2.0] and len(store.reports()[9]) == 3
    store.close()
    assert len(rows_of(f"runs/{id}")) == 11 and spec_of(f"runs/{id}")["trials"] == before + 3


def test_poison_in_an_import(id, capsys):
    entries = [{"parameter": FITS, "value": 1, "metrics": {"loss": 0.5, "flops": 10**400}}]
    Path("some.json").write_text(json.dumps(entries))
    output(capsys, "import", id, "some.json")
    row = rows_of(f"runs/{id}")[-1]
    assert row.metrics == {"loss": 0.5}
    assert row.message == "imported from some.json; left out: 'flops' (a whole number beyond all floats)"
