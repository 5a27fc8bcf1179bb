"""Regressions against published accuracies, and what is said of predictors."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import null_space
from scipy.stats import multivariate_normal
from supernets import RECIPE

from fastcifar.search import Space
from fastcifar.statistics.tau import kendall
from fastcifar.supernet import Choices, judge, pareto, predicted
from fastcifar.supernet.predict.predictors import WITH, WITHOUT, designs, log_widths, points_of
from fastcifar.supernet.predict.regression import RATIOS, features, fit, left_out, spread_out

TABLES = Path(__file__).parents[3] / "benchmarks" / "tables"
FOUR = [2, 4, 8, 16]
ENTRIES = {
    **{layer: {"_type": "choice", "_value": FOUR} for layer in ("prep", "layer1", "layer2", "layer3")},
    "extra_layers.layer1": {"_type": "randint", "_value": [0, 2]},
    "res_layers": {"_type": "choice", "_value": [["layer1"], ["layer3"], []]},
}


@pytest.fixture(autouse=True)
def few_bootstraps(monkeypatch):
    """They give the intervals of the taus, which no test here looks at; those of the gains are a jackknife's."""
    monkeypatch.setattr("fastcifar.statistics.tau.BOOTSTRAPS", 50)


def published(name):
    """A table, and its accuracies (n, 3), shares of 1."""
    frame = pd.read_csv(TABLES / f"{name}.csv.gz")
    return frame, frame[["acc0", "acc1", "acc2"]].to_numpy() / 100


@pytest.fixture(scope="module")
def resnet():
    """Log-widths (16384, 7), the mean accuracy of three trainings, the three; shares of 1."""
    frame, three = published("channel-bench-resnet")
    return frame, np.log2(frame[[f"w{i}" for i in range(1, 8)]].to_numpy(float)), three.mean(1), three


def test_costs_order_the_published_networks_as_their_readme_says(resnet):
    """FLOPs 0.673, parameters 0.509, sum of log-widths 0.614."""
    frame, widths, mean, _ = resnet
    some = np.random.default_rng(0).permutation(len(mean))[:4000]
    for values, expected in ((frame["flops"], 0.673), (frame["params"], 0.509), (widths.sum(1), 0.614)):
        assert kendall(np.asarray(values, float)[some], mean[some]) == pytest.approx(expected, abs=0.02)


def test_costs_order_the_published_blocks_as_their_readme_says():
    """FLOPs 0.556, parameters 0.218, depth 0.693."""
    frame, three = published("nas-bench-macro")
    some, mean = np.random.default_rng(0).permutation(len(three))[:4000], three.mean(1)
    depth = (frame[[f"op{i}" for i in range(1, 9)]] != 0).sum(axis=1)
    for values, expected in ((frame["flops"], 0.556), (frame["params"], 0.218), (depth, 0.693)):
        assert kendall(np.asarray(values, float)[some], mean[some]) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(("name", "expected"), [("channel-bench-resnet", 0.616), ("nas-bench-macro", 0.896)])
def test_one_training_orders_the_others_as_published(name, expected):
    _, three = published(name)
    some = np.random.default_rng(0).permutation(len(three))[:4000]
    assert kendall(three[some, 0], three[some, 1:].mean(1)) == pytest.approx(expected, abs=0.02)


def ridge(x, accuracy, spread):
    """What ridge regression of log(error), with which the tables were published, says of all of `spread`."""
    centre, scale = spread.mean(0), spread.std(0)
    design, y = (x - centre) / scale, np.log(1 - accuracy)
    slopes = np.linalg.solve(design.T @ design + np.eye(x.shape[1]), design.T @ (y - y.mean()))
    return (spread - centre) / scale @ slopes


def mean_taus(x, three, count, ways):
    """Tau of each way's prediction with the mean accuracy, over 20 draws of `count` single trainings."""
    rng, taus = np.random.default_rng(2), []
    for _ in range(20):
        chosen = rng.integers(len(x), size=count)
        accuracy = three[chosen, rng.integers(3, size=count)]
        taus.append([kendall(-way(x[chosen], accuracy, x)[::8], three.mean(1)[::8]) for way in ways])
    return np.mean(taus, axis=0)


def fitted(x, accuracy, spread):
    return fit(x, accuracy, spread)(spread)[0]


@pytest.mark.parametrize(("count", "expected", "gain"), [(10, 0.62, 0.04), (20, 0.696, 0.02), (50, 0.755, -0.01)])
def test_a_fit_beside_the_published_ridge_on_widths(resnet, count, expected, gain):
    """Whose taus are 0.696 with 20 trainings, 0.755 with 50: more with few trainings, as much with many."""
    _, widths, _, three = resnet
    plain, ours = mean_taus(widths, three, count, (ridge, fitted))
    assert plain == pytest.approx(expected, abs=0.03) and ours > plain + gain


@pytest.mark.parametrize(("count", "expected", "gain"), [(10, 0.33, 0.2), (20, 0.579, 0.05), (50, 0.799, -0.03)])
def test_a_fit_beside_the_published_ridge_on_blocks(count, expected, gain):
    """Whose taus are 0.579 with 20 trainings, 0.799 with 50: far more with few, a little less with many."""
    frame, three = published("nas-bench-macro")
    blocks = frame[[f"op{i}" for i in range(1, 9)]].to_numpy()
    x = np.column_stack([blocks == kind for kind in (1, 2)]).astype(float)
    plain, ours = mean_taus(x, three, count, (ridge, fitted))
    assert plain == pytest.approx(expected, abs=0.05) and ours > plain + gain


def test_networks_that_are_spread_out_tell_more(resnet):
    """20 chosen ones as much as 50 drawn ones."""
    _, widths, mean, three = resnet
    taus, some = [], slice(None, None, 8)
    for seed in range(10):
        chosen = spread_out(widths, 20, seed)
        assert len(set(chosen.tolist())) == 20
        taus.append(kendall(-fit(widths[chosen], three[chosen, seed % 3], widths)(widths[some])[0], mean[some]))
    assert np.mean(taus) > 0.755


@pytest.mark.parametrize("count", [12, 20, 30])
def test_the_interval_of_a_training_covers_it(resnet, count):
    _, widths, _, three = resnet
    inside = []
    for seed in range(30):
        chosen = spread_out(widths, count, seed)
        mean, half = fit(widths[chosen], three[chosen, seed % 3], widths).interval(widths)
        inside.append(np.mean(np.abs(np.log(1 - three[:, (seed + 1) % 3]) - mean) < half))
    assert 0.9 < np.mean(inside) < 0.995


def test_a_fit_finds_the_slopes_and_the_noise():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((40, 3))
    accuracy = 1 - np.exp(-1 + 0.3 * x[:, 0] - 0.2 * x[:, 2] + 0.01 * rng.standard_normal(40))
    made = fit(x, accuracy)
    mean, deviation = made(x[:5])
    np.testing.assert_allclose(made.slopes / made.scale, [0.3, 0, -0.2], atol=0.02)
    np.testing.assert_allclose(mean, np.log(1 - accuracy[:5]), atol=0.05)
    assert (deviation > np.sqrt(made.noise)).all() and np.sqrt(made.noise) == pytest.approx(0.01, rel=0.3)
    with pytest.raises(ValueError, match="a fit needs at least 4 trainings, not 3"):
        fit(x[:3], accuracy[:3])


def test_a_fit_is_the_mean_of_regressions_by_their_evidence():
    """One by one, by contrasts of the trainings, which know of no constant."""
    rng = np.random.default_rng(6)
    x = rng.standard_normal((9, 4))
    accuracy = 1 - np.exp(-1 + 0.1 * x.sum(1) + 0.2 * x[:, 3] + 0.1 * rng.standard_normal(9))
    design, contrasts = (x - x.mean(0)) / x.std(0), null_space(np.ones((1, 9)))
    seen, z = contrasts.T @ design, contrasts.T @ np.log(1 - accuracy)
    found = []
    for common, own, apart in product(RATIOS, repeat=3):
        prior = np.diag([own**2] * 3 + [apart**2])
        prior[:3, :3] += common**2
        outcome = np.eye(8) + seen @ prior @ seen.T
        noise = z @ np.linalg.inv(outcome) @ z / 8
        evidence = multivariate_normal(cov=noise * outcome).logpdf(z)  # at the noise that suits it best
        slopes = prior @ seen.T @ np.linalg.inv(outcome) @ z
        spread = noise * (prior - prior @ seen.T @ np.linalg.inv(outcome) @ seen @ prior)
        found.append((evidence, noise, slopes, spread + np.outer(slopes, slopes)))
    evidence, noises, slopes, squares = map(np.array, zip(*found, strict=True))
    weights = np.exp(evidence - evidence.max()) / np.exp(evidence - evidence.max()).sum()
    made = fit(x, accuracy, apart=1)
    mean = weights @ slopes
    np.testing.assert_allclose(made.slopes, mean, rtol=1e-6)
    np.testing.assert_allclose(made.covariance, np.tensordot(weights, squares, 1) - np.outer(mean, mean), rtol=1e-6)
    assert made.noise == pytest.approx(weights @ noises)
    new = rng.standard_normal((1, 4))
    variance = (new - x.mean(0)) / x.std(0) @ made.covariance @ ((new - x.mean(0)) / x.std(0)).T + made.noise * 10 / 9
    assert made(new)[1] ** 2 == pytest.approx(variance.item())


def test_few_trainings_lean_on_the_sum_and_on_a_supernet_that_is_right():
    """Slopes that are nearly alike are taken for that; a feature apart is told from them."""
    rng, left, sums = np.random.default_rng(7), [], []
    for _ in range(30):
        x = rng.standard_normal((300, 6))
        score = x @ rng.uniform(0.5, 1.5, 6) + 0.5 * rng.standard_normal(300)
        error = np.exp(-1 - 0.1 * score + 0.1 * rng.standard_normal(300))
        both, some = np.column_stack([x, score]), slice(10)
        said = [-fit(both[some], 1 - error[some], both, 1)(both)[0], -fit(x[some], 1 - error[some], x)(x)[0]]
        left.append([kendall(one[10:], score[10:]) for one in said])
        sums.append(kendall(x.sum(1)[10:], score[10:]))
    with_it, without = np.mean(left, axis=0)
    assert with_it > 0.85 and without > np.mean(sums) - 0.06 and with_it > without + 0.08


def test_left_out_does_not_look_at_what_it_foretells():
    rng = np.random.default_rng(5)
    x, accuracy = rng.standard_normal((12, 2)), rng.uniform(0.5, 0.9, 12)
    before = left_out(x, accuracy)
    changed = accuracy.copy()
    changed[7] = 0.99
    after = left_out(x, changed)
    assert after[7] == before[7] and after[6] != before[6]


def test_features_of_each_kind():
    choices = Choices(RECIPE, Space.from_dict(ENTRIES))
    points = [
        {"prep": 2, "layer1": 4, "layer2": 8, "layer3": 16, "extra_layers.layer1": 1, "res_layers": ["layer3"]},
        {"prep": 16, "layer1": 2, "layer2": 2, "layer3": 2, "extra_layers.layer1": 0, "res_layers": []},
    ]
    np.testing.assert_allclose(features(points, choices.values), [[1, 2, 3, 4, 1, 0, 1], [4, 1, 1, 1, 0, 0, 0]])
    left = {"leave_out": [["layer1/extra"], []]}
    np.testing.assert_allclose(features([{"leave_out": some} for some in left["leave_out"]], left), [[0], [1]])


def made_table(seed=0):
    """All networks, an accuracy that hangs on two widths and on something that only the supernet sees."""
    choices = Choices(RECIPE, Space.from_dict({key: ENTRIES[key] for key in ("prep", "layer1", "layer2", "layer3")}))
    table = pd.DataFrame(choices.points())
    rng = np.random.default_rng(seed)
    hidden = rng.standard_normal(len(table))
    table["flops"] = (table.prep * 10 + table.layer1 * table.layer2).astype(float)
    table["parameters"] = table.layer3.astype(float)
    table["seconds"] = table.flops
    error = np.exp(-0.1 * np.log2(table.layer1) - 0.05 * np.log2(table.layer2) + 0.05 * hidden - 0.5)
    table["loss"] = np.exp(hidden)
    return choices, table, 1 - error.to_numpy()


def test_a_supernet_that_sees_more_adds_something_and_noise_adds_nothing():
    choices, table, accuracy = made_table()
    rows = spread_out(designs(choices, table)[0], 30)
    points = [points_of(choices, table)[row] for row in rows]
    judged = judge(choices, table, points, accuracy[rows])
    assert judged.adds and judged.better == WITH and judged.gain.value > 0.1
    named = {one.name: one.overall.value for one in judged.predictors}
    assert named[WITH] > 0.9 > named[WITHOUT] > named["parameters"]
    blind = table.assign(loss=np.random.default_rng(9).uniform(1, 2, len(table)))
    nothing = judge(choices, blind, points, accuracy[rows])
    assert not nothing.adds and abs(nothing.gain.value) < 0.05
    found = predicted(choices, table, points, accuracy[rows], WITH)
    assert kendall(found.predicted.to_numpy(), accuracy) > 0.9
    assert ((found.low < found.predicted) & (found.predicted < found.high)).all()
    assert np.mean((found.low.to_numpy() < accuracy) & (accuracy < found.high.to_numpy())) > 0.9
    np.testing.assert_allclose(log_widths(choices, table)[0], 4)


@pytest.mark.parametrize("seeds", [7, pytest.param(20, marks=pytest.mark.slow)])
def test_a_supernet_that_knows_nothing_is_seldom_said_to_add_something(seeds):
    choices, table, accuracy = made_table()
    points, said = points_of(choices, table), []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        rows = spread_out(designs(choices, table)[0], 12, seed)
        blind = table.assign(loss=rng.uniform(1, 2, len(table)))
        judged = judge(choices, blind, [points[row] for row in rows], accuracy[rows])
        assert judged.gain.low < judged.gain.value < judged.gain.high
        said.append(judged.adds)
    assert np.mean(said) <= 0.15


def test_networks_of_nearly_equal_flops_are_judged_apart():
    choices, table, accuracy = made_table()
    rows = spread_out(designs(choices, table)[0], 12)
    points = [points_of(choices, table)[row] for row in rows]
    alike = judge(choices, table.assign(flops=100.0 + np.arange(len(table)) / 1e3), points, accuracy[rows])
    for one in alike.predictors:
        assert one.near == one.overall
    assert alike.gain_near == alike.gain and alike.gain.pairs == 66
    apart = judge(choices, table.assign(flops=2.0 ** np.arange(len(table))), points, accuracy[rows])
    assert apart.gain == alike.gain and apart.gain_near.pairs == 0 and np.isnan(apart.gain_near.value)
    with pytest.raises(ValueError, match="predictors are judged on at least 6 trainings, not 5"):
        judge(choices, table, points[:5], accuracy[rows[:5]])


def test_a_block_that_is_not_there_has_no_width():
    entries = {"extra_layers.layer1": [0, 1], "extra_widths.layer1/extra": [4, 16]}
    space = Space.from_dict({key: {"_type": "choice", "_value": value} for key, value in entries.items()})
    choices = Choices(RECIPE, space)
    table = pd.DataFrame(list(choices.points()))
    widths = dict(zip(map(repr, points_of(choices, table)), log_widths(choices, table), strict=True))
    assert sorted(widths.values()) == [0, 2, 4]
    features = designs(choices, table.assign(loss=1.0))[0]
    assert sorted(map(tuple, features)) == [(0, 2), (1, 2), (1, 4)]  # depth, and a log-width


def test_pareto_is_what_nothing_beats():
    table = pd.DataFrame({"flops": [1.0, 1, 2, 3, 3, 4], "predicted": [0.5, 0.6, 0.6, 0.7, 0.65, 0.69]})
    assert pareto(table).index.tolist() == [1, 3]


def test_networks_that_are_not_in_the_table_are_named():
    choices, table, accuracy = made_table()
    with pytest.raises(ValueError, match=r"'prep': 3.* no such network among the 256 scored"):
        judge(choices, table, [{"prep": 3, "layer1": 4, "layer2": 8, "layer3": 2}] * 6, accuracy[:6])
