"""Cells that a spreadsheet would take for formulas."""

import csv
import io
from contextlib import closing
from pathlib import Path

from experiments import output

from fastcifar.experiment.exchange.export import to_csv
from fastcifar.experiment.store.store import Store, TrialRow


def test_safe_csv(tmp_path):
    params = {"=a": "=1+1", "b": "@x", "c": -0.5, "d": "plain", "e": "-cmd"}
    with closing(Store.create(tmp_path, {})) as store:
        row = TrialRow(number=0, kind="search", params=params, seed=1, started=1.0)
        store.start(row)
        row.state, row.value, row.message, row.ended = "finished", -2.5, "+bad", 2.0
        store.end(row)
        (safe,) = csv.DictReader(io.StringIO(to_csv(store.trials(), safe=True)))
        (as_it_is,) = csv.DictReader(io.StringIO(to_csv(store.trials())))
    assert {name: safe[name] for name in ("'=a", "b", "c", "d", "e", "value", "message")} == {
        "'=a": "'=1+1",
        "b": "'@x",
        "c": "-0.5",
        "d": "plain",
        "e": "'-cmd",
        "value": "-2.5",
        "message": "'+bad",
    }
    assert as_it_is["=a"] == "=1+1" and as_it_is["message"] == "+bad"


def test_the_flag(id, capsys):
    output(capsys, "export", "-o", "safe.csv", "--safe-csv")
    output(capsys, "export", "-o", "plain.csv")
    assert Path("safe.csv").read_text() == Path("plain.csv").read_text()  # it has no formula
    assert "--safe-csv: the format is json" in output(capsys, "export", "--safe-csv", code=2)
