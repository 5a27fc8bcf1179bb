"""Whatever a space samples fits it, and what it could not have sampled does not."""

import numpy as np
import pytest

from fastcifar.search import Space

KINDS = {
    "uniform": [0, 1],
    "quniform": [0, 1, 0.3],
    "loguniform": [0.01, 10],
    "qloguniform": [0.2, 9, 2],
    "normal": [0, 1],
    "qnormal": [0, 1, 0.5],
    "lognormal": [0, 2],
    "qlognormal": [0, 1, 1],
    "randint": [1, 5],
}


@pytest.mark.parametrize("kind", KINDS)
def test_samples_fit(kind):
    space = Space.from_dict({"x": {"_type": kind, "_value": KINDS[kind]}})
    seen = [space.decode(row) for row in space.sample(np.random.default_rng(0), 300)]
    for params in seen:
        space.check(params)
    if kind == "qlognormal":
        assert {"x": 0} in seen  # rounded down, and not clipped


@pytest.mark.parametrize(
    ("kind", "value"), [("uniform", 1.5), ("quniform", 0.2), ("qnormal", 0.3), ("lognormal", 0.0), ("qlognormal", 0.5)]
)
def test_others_do_not(kind, value):
    space = Space.from_dict({"x": {"_type": kind, "_value": KINDS[kind]}})
    with pytest.raises(ValueError, match="x: "):
        space.check({"x": value})
