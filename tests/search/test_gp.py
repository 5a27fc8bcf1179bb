"""The Gaussian process against its formulas, written out; and the searcher that asks it."""

import itertools
import math

import numpy as np
import pytest

from fastcifar.search import GP, TPE, History, Random, Space, trial_rng
from fastcifar.search.searcher import ended_points
from fastcifar.search.surrogate import JITTER, OWN, Kernel, Surrogate, fitted, levelled, scaled

SPACE = Space.from_dict(
    {
        "x": {"_type": "uniform", "_value": [-1, 3]},
        "lr": {"_type": "loguniform", "_value": [0.01, 1]},
        "w": {"_type": "choice", "_value": [64, 16, 32]},
        "net": {
            "_type": "choice",
            "_value": [{"_name": "a"}, {"_name": "b", "z": {"_type": "uniform", "_value": [0, 1]}}, {"_name": "c"}],
        },
    }
)
ORDERED = np.array([True, True, True, False, True])
KERNEL = Kernel(ORDERED, np.array([0.3, 0.8, 1.2, 0.7, 0.4]), main=0.6, joint=0.9, rest=0.2)


def points_and_scores(n=12, seed=0):
    rng = np.random.default_rng(seed)
    return scaled(SPACE, SPACE.sample(rng, n)), rng.standard_normal(n), rng.integers(1, 4, n)


def covariance(a, b):
    """Of two points, one parameter at a time."""
    parts = []
    for x, y, length, ordered in zip(a, b, KERNEL.lengths, ORDERED, strict=True):
        r = abs(x - y) / length
        if ordered:
            parts.append((1 + math.sqrt(5) * r + 5 / 3 * r**2) * math.exp(-math.sqrt(5) * r))
        else:
            parts.append(1.0 if x == y else math.exp(-1 / length))
    return KERNEL.main * sum(parts) / len(parts) + KERNEL.joint * math.prod(parts)


def test_scaled():
    rows = np.array([SPACE.encode({"x": 1, "lr": 0.1, "w": 32, "net": {"_name": "a"}})])
    np.testing.assert_allclose(scaled(SPACE, rows), [[0.5, 0.5, 0.5, 0, 0.5]])
    rows = np.array([SPACE.encode({"x": 3, "lr": 0.01, "w": 64, "net": {"_name": "b", "z": 0.2}})])
    np.testing.assert_allclose(scaled(SPACE, rows), [[1, 0, 5 / 6, 1, 0.2]])


def test_kernel_is_its_formula():
    points, _, _ = points_and_scores()
    expected = [[covariance(a, b) for b in points] for a in points[:5]]
    np.testing.assert_allclose(KERNEL(points[:5], points), expected, rtol=1e-12)


def test_surrogate_is_its_formula():
    points, scores, counts = points_and_scores()
    new, _, _ = points_and_scores(5, seed=1)
    known = KERNEL(points, points)
    own = OWN * KERNEL.rest * np.eye(len(points))
    noise = np.diag((1 - OWN) * KERNEL.rest / counts)
    inverse = np.linalg.inv(known + own + noise + JITTER * np.eye(len(points)))
    across = KERNEL(new, points)
    surrogate = Surrogate(KERNEL, points, scores, counts)
    mean, deviation = surrogate(new)
    np.testing.assert_allclose(mean, across @ inverse @ scores, atol=1e-9)
    variance = KERNEL.main + KERNEL.joint - np.einsum("ij,jk,ik->i", across, inverse, across)
    np.testing.assert_allclose(deviation, np.sqrt(variance), atol=1e-9)
    np.testing.assert_allclose(surrogate.known(), (known + own) @ inverse @ scores, atol=1e-9)


def test_expected_results_make_surer_but_not_better():
    points, scores, counts = points_and_scores()
    new, _, _ = points_and_scores(3, seed=1)
    surrogate = Surrogate(KERNEL, points, scores, counts)
    mean, deviation = surrogate(new)
    mean_after, deviation_after = surrogate.with_expected(new)(new)
    np.testing.assert_allclose(mean_after, mean, atol=1e-9)
    assert (deviation_after < 0.8 * deviation).all()


def test_the_fit_is_no_worse_than_its_neighbours():
    """By the log posterior, written out."""
    points, _, counts = points_and_scores(40)
    rng = np.random.default_rng(3)
    scores = np.sin(4 * points[:, 0]) + (points[:, 3] == 1) + 0.1 * rng.standard_normal(40)
    scores = (scores - scores.mean()) / scores.std()

    def loss(kernel):
        matrix = kernel(points, points) + np.diag(kernel.rest * (OWN + (1 - OWN) / counts) + JITTER)
        theta = np.log([*kernel.lengths, kernel.main, kernel.joint, kernel.rest])
        centre = np.log([*np.where(ORDERED, 0.5 * 5**0.25, 1), 0.5, 0.5, 0.05])
        prior = (((theta - centre) / [1, 1, 1, 1, 1, 1, 1, 1.5]) ** 2).sum() / 2
        return scores @ np.linalg.solve(matrix, scores) / 2 + np.linalg.slogdet(matrix)[1] / 2 + prior

    fit = fitted(SPACE, points, scores, counts)
    theta = np.log([*fit.lengths, fit.main, fit.joint, fit.rest])
    for index, step in itertools.product(range(8), (-0.1, 0.1)):
        moved = np.exp(theta + step * np.eye(8)[index])
        assert loss(fit) < loss(Kernel(ORDERED, moved[:5], *moved[5:]))
    # What the results depend on has short lengths.
    assert fit.lengths[0] < fit.lengths[1] and fit.lengths[3] < fit.lengths[1]


def test_levelled():
    losses = np.array([3.0, 1.0, 2.0, 1e6, 2.5])
    scores = levelled(losses)
    np.testing.assert_array_equal(np.argsort(scores), np.argsort(losses))
    assert scores.mean() == pytest.approx(0, abs=1e-12) and scores.std() == pytest.approx(1)
    assert scores.max() < 3
    np.testing.assert_array_equal(levelled(np.full(4, 7.0)), np.zeros(4))


BOWL = Space.from_dict(
    {
        "x": {"_type": "uniform", "_value": [0, 1]},
        "n": {"_type": "randint", "_value": [0, 9]},
        "c": {"_type": "choice", "_value": ["a", "b", "c"]},
    }
)


def bowl(params):
    return (params["x"] - 0.3) ** 2 + (params["n"] - 6) ** 2 / 30 + {"a": 0.2, "b": 0.0, "c": 0.4}[params["c"]]


def searched(searcher, trials, seed, noise=0.0):
    history, rng = History(BOWL), np.random.default_rng(seed)
    for number in range(trials):
        params = searcher.suggest(BOWL, history, trial_rng(seed, number))
        history.add(params, bowl(params) + noise * rng.standard_normal())
    return history


def test_gp_finds_more_than_tpe_and_random():
    found = {
        type(s).__name__: np.mean([bowl(s.best(searched(s, 30, seed))) for seed in range(8)])
        for s in (GP(), TPE(), Random())
    }
    assert found["GP"] < 0.5 * found["TPE"] and found["GP"] < 0.2 * found["Random"]


def test_best_is_not_the_luckiest():
    """Over 40 seeds of random points and much noise, the model's choice is better than the best single result."""
    gains = []
    for seed in range(40):
        history = searched(Random(), 60, seed, noise=0.3)
        gains.append(bowl(TPE().best(history)) - bowl(GP().best(history)))
    assert np.mean(gains) > 2 * np.std(gains) / 40**0.5


def test_many_points_are_thinned_to_the_best_and_the_newest():
    history = History(BOWL)
    for number, row in enumerate(BOWL.sample(np.random.default_rng(0), 90)):
        history.add(row, float(number % 45))
    searcher = GP(max_points=20)
    rows, losses, counts = ended_points(history)
    kept, _ = searcher._surrogate(BOWL, rows, losses, counts)
    places = [int(np.flatnonzero((rows == row).all(1))[0]) for row in kept]
    assert set(places) == {n for n in range(90) if n % 45 < 5} | set(range(80, 90))
    assert searcher.suggest(BOWL, history, trial_rng(0, 90))["n"] in range(9)


def test_a_repeat_is_suggested_only_where_asked_for():
    space = Space.from_dict({"n": {"_type": "randint", "_value": [0, 12]}})
    for repeats in (False, True):
        history, rng = History(space), np.random.default_rng(0)
        for number in range(12):
            params = GP(repeats=repeats).suggest(space, history, trial_rng(0, number))
            history.add(params, (params["n"] - 5) ** 2 / 100 + 0.1 * rng.standard_normal())
        assert (history.num_points < 12) == repeats
