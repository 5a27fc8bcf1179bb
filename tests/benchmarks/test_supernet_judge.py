"""What a supernet's scores are said to be worth, on truths that are known."""

import numpy as np
import pandas as pd
import pytest
import supernet_judge
import supernet_truth
from rows import append, read
from supernet_foretold import report
from supernet_judge import Judge, lacks, small, truth_of

from fastcifar.statistics.tau import within
from fastcifar.train import Recipe

NOISE = 0.002


def made(noise=NOISE, networks=24):
    """Networks whose accuracy has two parts: of their widths, and one that no width tells; and that second part."""
    points = supernet_truth.networks(networks)
    every = [supernet_truth.SPACE.decode(row) for row in supernet_truth.SPACE.points()]
    rng = np.random.default_rng(0)
    hidden = {tuple(one.values()): value for one, value in zip(every, rng.standard_normal(256), strict=True)}
    rows = []
    for params in points:
        known = 0.02 * np.log2(params["layer1"]) + 0.01 * np.log2(params["layer3"])
        for seed in (1, 2):
            accuracy = 0.4 + known + 0.03 * hidden[tuple(params.values())] + noise * rng.standard_normal()
            sizes = {"flops": supernet_truth.flops_of(params), "parameters": 10**6, "seconds": 1.0}
            rows.append({"params": params, "seed": seed, "accuracy": accuracy, **sizes})
    return truth_of(supernet_truth.table(rows)), np.exp(-0.1 * np.array(list(hidden.values()))).tolist()


@pytest.fixture(autouse=True)
def few_splits(monkeypatch):
    monkeypatch.setattr(supernet_judge, "SPLITS", 20)


@pytest.mark.parametrize("spread", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_score_that_knows_more_adds_and_another_does_not(spread):
    truth, score = made()
    near = within(truth.flops, 0.1)
    judge = Judge(truth, 10, spread)
    without, with_it, gain, close = judge.gain(score, near)
    assert with_it > without + 0.1 and gain.value == pytest.approx(with_it - without) and gain.low > 0
    assert (gain.pairs, close.pairs) == (24 * 23 // 2, np.triu(near, 1).sum()) and close.value > 0
    shuffled = np.random.default_rng(1).permutation(score).tolist()
    other = judge.gain(shuffled, near)[2]
    assert other.low < 0 and other.value < gain.value / 2


def test_what_is_judged_has_no_part_in_the_fit():
    truth, score = made()
    judge = Judge(truth, 10)
    trained = judge.split(0)
    assert len(set(trained)) == 10
    assert trained[0] not in judge.split(0, trained[:1]) and not {*trained[:3]} & {*judge.split(0, trained[:3])}
    before = judge.said(score, 0)
    for place in set(range(24)) - set(trained):
        truth.single[place] = 0.0
    truth.single[:, 1] = 0.0  # split 0 sees the first seed only
    np.testing.assert_array_equal(Judge(truth, 10).said(score, 0), before)


def test_the_gain_is_the_mean_over_splits_less_that_without():
    """By hand, for one split: tau over the networks that are left out, all of whose pairs count."""
    truth, score = made()
    judge = Judge(truth, 10)
    supernet_judge.SPLITS = 1
    left = sorted(set(range(24)) - set(judge.split(0)))

    def tau(said):
        pairs = [(a, b) for place, a in enumerate(left) for b in left[place + 1 :]]
        return np.mean([np.sign(said[a] - said[b]) * np.sign(truth.mean[a] - truth.mean[b]) for a, b in pairs])

    everything = np.ones((24, 24), dtype=bool)
    found = judge.taus(score, everything)
    assert found[0, 0] == pytest.approx(tau(judge.said(None, 0))) == pytest.approx(found[0, 1])
    assert found[1, 0] == pytest.approx(tau(judge.said(score, 0)))


def test_regret_by_hand():
    truth, _ = made()
    there = small(truth)
    assert (truth.flops[there] <= truth.space_flops.max() / 2).all() and 2 < len(there) < 24
    truth.single[:] = 0.5
    a, b, c = there[:3]
    truth.single[a], truth.single[b], truth.single[c] = (1.0, 0.7), (0.8, 0.8), (0.6, 0.9)
    says_b = np.zeros(24)
    says_b[b] = 1.0
    # The first seed is seen, and the second measures: b has 0.8 there, c 0.9.
    assert lacks(truth, [says_b]) == pytest.approx(10.0)
    # With the second seen, the first measures: b has 0.8, a 1.0. The mean of the two.
    assert lacks(truth, [says_b, says_b]) == pytest.approx((10 + 20) / 2)


def test_a_truth_without_noise_has_regret_zero_for_who_knows_it():
    truth, _ = made(noise=0.0)
    assert lacks(truth, [truth.mean, truth.mean]) == 0.0
    assert lacks(truth, list(truth.single.T)) == 0.0
    assert lacks(truth, [-truth.mean]) > 1


def test_a_truth_goes_on_where_it_was_cut_off(tmp_path):
    path = tmp_path / "truth.jsonl"
    recipe = Recipe()
    for number in (1, 2):
        append(path, {"recipe": recipe.to_dict(), "number": number})
    path.write_text(path.read_text() + '{"recipe": {"data')
    append(path, {"recipe": recipe.with_params({"prep": 32}).to_dict(), "number": 3})
    assert [row["number"] for row in read(path)] == [1, 2, 3]
    assert [row["number"] for row in supernet_truth.of_recipe(read(path), recipe)] == [1, 2]


def test_a_training_that_failed_costs_its_network_only():
    rows = [
        {"params": params, "seed": seed, "accuracy": 0.5, "flops": 1, "parameters": 1, "seconds": 1.0}
        for params in supernet_truth.networks(20)
        for seed in (1, 2)
    ]
    assert [name for name in supernet_truth.table(rows) if name.startswith("acc")] == ["acc0", "acc1"]
    assert len(supernet_truth.table(rows[1:])) == 19 and "acc1" in supernet_truth.table(rows[1:])
    begun = [row for row in rows if row["seed"] == 1 or row["params"] == rows[0]["params"]]
    frame = supernet_truth.table(begun)
    assert len(frame) == 20 and "acc1" not in frame and frame["more0"].notna().sum() == 1
    assert truth_of(frame).further.shape == (20, 1)
    lost = [row for row in rows[1:] if row["seed"] == 2 or row["params"] != rows[0]["params"]]
    apart = [{**rows[0], "seed": 3}, *lost]  # the only one of a seed, of a network that lacks another
    assert [name for name in supernet_truth.table(apart) if name.startswith("more")] == []


def test_a_truth_names_what_each_seed_ran_on():
    usual = {"accuracy": 0.5, "parameters": 10**6, "seconds": 1.0, "recipe": Recipe().to_dict(), "canonical": False}
    rows = [
        {**usual, "params": params, "flops": supernet_truth.flops_of(params), "seed": seed, **machine}
        for params in supernet_truth.networks(6)
        for seed, machine in (
            (1, {"device": "one", "threads": 1, "precision": "O2", "torch": "2"}),
            (2, {"device": "one", "threads": 1, "precision": "O2", "torch": "2"}),
            (3, {"device": "other", "threads": 1, "precision": "O0", "torch": "2"}),
        )
        if seed < 3 or params["prep"] == 32
    ]
    text = supernet_truth.report(rows)
    assert "one, 1 thread(s) a training, O2, torch 2 (seeds 1, 2); other, 1 thread(s)" in text and "(seeds 3)" in text
    assert "| acc0 | acc1 | mean | more0 | FLOPs |" in text and "| 50.00 |  | " in text


def searched(score, sign=1):
    """A search's table, in an order of its own, that foretells by a score of all networks; with wide intervals."""
    every = [supernet_truth.SPACE.decode(row) for row in supernet_truth.SPACE.points()]
    predicted = -sign * np.log(score)
    rows = [{**one, "flops": supernet_truth.flops_of(one)} for one in every]
    frame = pd.DataFrame(rows).assign(loss=score, predicted=predicted, low=-1.0, high=2.0)
    return frame.sort_values("loss")


def test_a_search_that_knows_is_told_from_one_that_does_not():
    truth, _ = made(noise=1e-4)
    own = np.zeros(256)
    own[truth.places] = truth.mean
    score = np.exp(-own)
    said = report(searched(score), truth)
    assert "| the search | 1.000 [1.000, 1.000] |" in said and "| supernet | 1.000 [1.000, 1.000] |" in said
    assert "hold for 48 of 48 single trainings" in said and "which lacks 0.0" in said
    there = truth.places[np.flatnonzero(truth.flops <= truth.space_flops.max() / 2)]
    best = supernet_truth.SPACE.decode(list(supernet_truth.SPACE.points())[there[np.argmax(own[there])]])
    assert said.count(" ".join(f"{key}={value}" for key, value in best.items())) == 2
    said = report(searched(score, -1).assign(low=1.5), truth)
    assert "| the search | -1.000 [-1.000, -1.000] |" in said and "hold for 0 of 48" in said
    assert "which lacks 0.0" not in said


def test_a_search_within_limits_is_not_judged():
    truth, score = made()
    with pytest.raises(ValueError, match="100 networks, where a search of the whole space has 256"):
        report(searched(np.array(score)).head(100), truth)
