"""Values as they are exported: as cells of CSV, and as JSON."""

import pytest

from fastcifar.experiment.exchange.csv_cells import text_of, value_of
from fastcifar.experiment.exchange.export import json_values


@pytest.mark.parametrize("value", ["", "1", "one", "NaN", "null", 'a "b"', 1, 1.0, 0.1 + 0.2, True, None, [1, "x"]])
def test_cells_lose_nothing(value):
    found = value_of(text_of(value))
    assert found == value and type(found) is type(value)


def test_what_is_not_finite_is_null():
    assert json_values({"auc": float("nan"), "all": [1.5, (float("inf"), 2)], "name": "x"}) == {
        "auc": None,
        "all": [1.5, [None, 2]],
        "name": "x",
    }
