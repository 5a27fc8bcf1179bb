"""The densities of TPE against their definition, written out for one point and one component at a time."""

import itertools
import math
import time

import numpy as np
import pytest

from fastcifar.search import TPE, History, Space, trial_rng
from fastcifar.search.density import Density

SPACE = Space.from_dict(
    {
        "x": {"_type": "uniform", "_value": [-1, 3]},
        "lr": {"_type": "loguniform", "_value": [0.01, 1]},
        "mu": {"_type": "normal", "_value": [2, 0.5]},
        "n": {"_type": "randint", "_value": [2, 6]},
        "w": {"_type": "choice", "_value": [64, 16, 32]},
        "q": {"_type": "quniform", "_value": [0, 1, 0.3]},
        "ql": {"_type": "qloguniform", "_value": [1, 9, 2]},
        "net": {
            "_type": "choice",
            "_value": [{"_name": "a"}, {"_name": "b", "z": {"_type": "uniform", "_value": [0, 1]}}, {"_name": "c"}],
        },
    }
)
BANDWIDTH = 0.2


def phi(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


def cut_gauss(x, centre, sigma, low, high):
    inside = phi((high - centre) / sigma) - phi((low - centre) / sigma)
    return math.exp(-0.5 * ((x - centre) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi) * inside)


def cell_mass(value, centre, edges, sigma):
    """Of the cell number `value`, for a Gaussian at the middle of the cell number `centre`, cut off at both ends."""
    middle = (edges[centre] + edges[centre + 1]) / 2
    masses = [phi((b - middle) / sigma) - phi((a - middle) / sigma) for a, b in itertools.pairwise(edges)]
    return masses[value] / sum(masses)


EDGES = {
    "n": [1.5, 2.5, 3.5, 4.5, 5.5],
    "w": [-0.5, 0.5, 1.5, 2.5],
    "q": [0, 0.15, 0.45, 0.75, 1],  # 0, 0.3, 0.6, 0.9: what rounds to 0.9 ends at 1, where 1.05 is cut off
    "ql": [math.log(e) for e in (1, 3, 5, 7, 9)],  # 2 (1 rounds to 0, clipped to 1, and so does up to 1) ...
}


def kernel(name, value, centre):
    """The density of one parameter at `value` (as `Space.encode` gives it) around `centre`; None is the prior."""
    if name in ("x", "lr", "z"):
        low, high = {"x": (-1, 3), "lr": (math.log(0.01), 0), "z": (0, 1)}[name]
        return 1 / (high - low) if centre is None else cut_gauss(value, centre, BANDWIDTH * (high - low), low, high)
    if name == "mu":
        mean, sigma = (2, 0.5) if centre is None else (centre, BANDWIDTH * 8 * 0.5)
        return math.exp(-0.5 * ((value - mean) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))
    if name == "net":
        return 1 / 3 if centre is None else BANDWIDTH / 3 + (1 - BANDWIDTH) * (value == centre)
    edges = list(SPACE.parameters[[p.key for p in SPACE.parameters].index(name)].cells)
    if centre is None:
        return (edges[int(value) + 1] - edges[int(value)]) / (edges[-1] - edges[0])
    return cell_mass(int(value), int(centre), edges, BANDWIDTH * (edges[-1] - edges[0]))


def plain_density(rows, weights, point):
    total = 0.0
    for row, weight in [*zip(rows, weights, strict=True), (None, 1.0)]:
        product = weight / (sum(weights) + 1)
        for column, parameter in enumerate(SPACE.parameters):
            if math.isnan(point[column]):
                continue
            centre = None if row is None or math.isnan(row[column]) else row[column]
            product *= kernel(parameter.key.rpartition("/")[2], point[column], centre)
        total += product
    return total


def test_cells_hold_what_rounds_to_their_value():
    cells = {parameter.key: parameter.cells for parameter in SPACE.parameters}
    for name in ("n", "w", "q"):
        np.testing.assert_allclose(cells[name], EDGES[name])
    assert SPACE.parameters[6].values == (1, 2, 4, 6, 8)
    np.testing.assert_allclose(np.exp(cells["ql"]), [1, 1, 3, 5, 7, 9])


def test_log_density_is_the_plain_one():
    rng = np.random.default_rng(0)
    rows, points = SPACE.sample(rng, 15), SPACE.sample(rng, 30)
    weights = rng.random(15) * 3
    density = Density(SPACE, rows, weights, BANDWIDTH)
    expected = [math.log(plain_density(rows, weights, point)) for point in points]
    np.testing.assert_allclose(density.log(points), expected, rtol=1e-9)


def test_samples_follow_the_density():
    """On a finite space, where every point's share can be compared with its density."""
    space = Space.from_dict({"a": {"_type": "choice", "_value": [1, 2, 3]}, "b": SPACE_NET})
    rng = np.random.default_rng(1)
    density = Density(space, space.sample(rng, 4), np.array([1.0, 2.0, 0.5, 3.0]), 0.3)
    points = space.points()
    share = np.exp(density.log(points))
    assert share.sum() == pytest.approx(1)
    n = 20_000
    drawn = [tuple(np.nan_to_num(row, nan=-1)) for row in density.sample(rng, n)]
    counts = np.array([drawn.count(tuple(np.nan_to_num(point, nan=-1))) for point in points])
    assert counts.sum() == n
    chi = ((counts - n * share) ** 2 / (n * share)).sum()
    assert chi < len(points) - 1 + 5 * math.sqrt(2 * len(points) - 2)


SPACE_NET = {
    "_type": "choice",
    "_value": [{"_name": "s"}, {"_name": "t", "z": {"_type": "randint", "_value": [0, 3]}}],
}


def test_a_continuous_kernel_stays_inside_and_follows_its_density():
    space = Space.from_dict({"x": {"_type": "uniform", "_value": [0, 1]}})
    density = Density(space, np.array([[0.05]]), np.array([9.0]), 0.2)
    drawn = np.sort(density.sample(np.random.default_rng(0), 5000)[:, 0])
    assert drawn[0] >= 0 and drawn[-1] <= 1
    grid = np.linspace(0, 1, 2001)[:, None]
    cdf = np.cumsum(np.exp(density.log(grid))) / 2000
    assert abs(np.interp(drawn, grid[:, 0], cdf) - np.arange(5000) / 5000).max() < 1.95 / math.sqrt(5000)


@pytest.mark.parametrize("count", [65, 300])
def test_many_values_are_judged_around_the_centres_only(count):
    """With as few points as here, the masses around all other values are never made."""
    space = Space.from_dict(
        {"n": {"_type": "randint", "_value": [0, count]}, "net": {"_type": "choice", "_value": [{"_name": "a"}]}}
    )
    rng = np.random.default_rng(0)
    rows = space.sample(rng, 7)
    rows[2, 0] = np.nan  # a branch that was not taken
    points = space.sample(rng, 20)
    found = Density(space, rows, np.ones(7), BANDWIDTH).log(points)
    edges = np.arange(count + 1) - 0.5
    for point, log in zip(points, found, strict=True):
        value = int(point[0])
        centres = [None if math.isnan(row[0]) else int(row[0]) for row in rows] + [None]
        masses = [
            1 / count if centre is None else cell_mass(value, centre, edges, BANDWIDTH * count) for centre in centres
        ]
        assert log == pytest.approx(math.log(sum(masses) / 8), abs=1e-9)
    drawn = Density(space, rows[:2], np.array([1e9, 0.0]), 0.02).sample(rng, 200)[:, 0]
    assert abs(drawn.mean() - rows[0, 0]) < 0.02 * count and drawn.min() >= 0 and drawn.max() < count


def test_a_hundred_thousand_integers_take_no_longer():
    """30 suggestions took 3 s: masses were made around each of the values."""
    space = Space.from_dict({"x": {"_type": "randint", "_value": [1, 99_999]}})
    history = History(space)
    start = time.process_time()
    for number in range(30):
        params = TPE().suggest(space, history, trial_rng(0, number))
        history.add(params, abs(params["x"] - 5000.0))
    assert time.process_time() - start < 1
    assert abs(TPE().best(history)["x"] - 5000) < 10_000
