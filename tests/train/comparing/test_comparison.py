import json
import math
import sys
from dataclasses import replace

import numpy as np
import pytest
from made_results import made

from fastcifar.statistics import detectable
from fastcifar.train import Hooks, compare, compare_results, load_result
from fastcifar.train.comparing.group import turns
from fastcifar.train.comparing.verdict import OUTCOMES, outcome, verdict


def results(accuracies, **settings):
    return [made(seed, accuracy, **settings) for seed, accuracy in enumerate(accuracies)]


def compared(differences, delta=None, **settings):
    """A is 0.9 everywhere, B differs by that many points."""
    b = results([0.9 + difference / 100 for difference in differences], **settings)
    return compare_results(results([0.9] * len(differences)), b, delta)


def test_turns_alternate():
    assert [which for which, _ in turns(4, 7)] == list("ABBAABBA")
    assert [seed for _, seed in turns(4, 7)] == [7, 7, 8, 8, 9, 9, 10, 10]


def test_training_two_recipes(recipe, images, tmp_path):
    recipe = recipe.with_params({"total_epoch": 1})
    worse = recipe.with_params({"peak_lr": 1e-6})
    asked, ended = [], []

    def hooks(which, seed):
        asked.append((which, seed))
        return Hooks()

    found = compare(
        recipe,
        worse,
        images,
        3,
        seed=4,
        delta=0.01,
        names=("one", "two"),
        hooks=hooks,
        on_run=lambda which, result: ended.append((which, result.seed)),
        device="cpu",
        out=tmp_path,
    )
    assert asked == ended == [("A", 4), ("B", 4), ("B", 5), ("A", 5), ("A", 6), ("B", 6)]
    assert found.pairs == (4, 5, 6) and found.accuracy.difference.mean < 0
    records = [load_result(path.parent) for path in sorted(tmp_path.glob("*/run.json"))]
    assert sorted((record.recipe_name, record.seed) for record in records) == [
        (name, seed) for name in ("one", "two") for seed in (4, 5, 6)
    ]
    ours = {record.seed: record for record in records if record.recipe_name == "one"}
    times = [ours[seed].times.prepare + ours[seed].times.train for seed in found.pairs]
    assert found.seconds["counted"].a == pytest.approx(sum(times) / 3)
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_recipe_and_itself(recipe, images):
    recipe = recipe.with_params({"total_epoch": 1, "train_images": 64})
    found = compare(recipe, recipe.with_params({"muon_lr": 0.5}), images, 3, null=True, device="cpu")
    assert outcome(found) == "identical" and found.accuracy.p_value == 1
    assert verdict(found).startswith("no difference: A and B are equally accurate on test in each of 3 pairs; ")


@pytest.mark.parametrize("n", [5, pytest.param(10, marks=pytest.mark.slow)])
def test_one_that_is_worse_by_what_is_detectable(n):
    """In 80 of 100 comparisons it is told; of a recipe and itself 95 of 100 find no difference."""
    rng = np.random.default_rng(n)
    sd = 0.0014 * math.sqrt(2)
    told = {shift: [] for shift in (0, detectable(sd, n))}
    for shift, outcomes in told.items():
        for _ in range(150):
            a, b = rng.normal(0.94, 0.0014, (2, n))
            outcomes.append(outcome(compare_results(results(a), results(b - shift))))
    same, worse = told.values()
    assert 0.91 < np.mean([found == "no_difference" for found in same]) < 0.99
    assert 0.72 < np.mean([found == "worse" for found in worse]) < 0.88


def test_each_part_of_the_time():
    a = [made(seed, 0.9, prepare=0.1, train=10 + seed, evaluate=1) for seed in range(3)]
    b = [made(seed, 0.9, prepare=0.2, train=5 + seed, evaluate=3) for seed in (2, 1, 0)]
    found = compare_results(a, b)
    means = {part: seconds.difference.mean for part, seconds in found.seconds.items()}
    assert means == pytest.approx({"prepare": 0.1, "train": -5, "tta": 0, "evaluate": 2, "counted": -4.9})
    assert found.ratios["tta"] is None
    assert found.ratios["evaluate"]["mean"] == pytest.approx(3)
    ratios = [(5.2 + seed) / (10.1 + seed) for seed in range(3)]
    assert found.ratios["counted"]["mean"] == pytest.approx(math.prod(ratios) ** (1 / 3))


@pytest.mark.parametrize(
    ("differences", "delta", "what", "text"),
    [
        ([0.3, 0.4, 0.5], None, "better", "B is better: B less A is +0.40 points on test (95 % interval +0.15 to "
         "+0.65); no "),
        ([-0.3, -0.4, -0.5], 0.1, "worse", "B is worse: B less A is -0.40 points on test (95 % interval -0.65 "
         "to -0.15); "),
        ([-0.3, -0.4, -0.5], 0.7, "worse", "B is worse: B less A is -0.40 points on test (95 % interval -0.65 "
         "to -0.15), which is less than 0.7; "),
        ([-0.1, 0, 0.1], None, "no_difference", "no difference is found: B less A is +0.00 points on test "),
        ([-0.1, 0, 0.1], 0.1, "no_difference", "no difference is found: "),
        ([-0.1, 0, 0.1], 0.3, "equivalent", "no difference of 0.3 points: B less A is +0.00 points on test "),
        ([0, 0.1, 0.2], 0.2, "not_worse", "B is not worse by 0.2 points: B less A is +0.10 points on test "),
        ([0, 0, 0], 0.1, "identical", "no difference: A and B are equally accurate on test in each of 3 pairs; "),
        ([0.2, 0.2, 0.2], None, "no_spread", "unclear: B less A is +0.20 points on test in each of 3 pairs; "),
        ([0.2, 0.3], None, "too_few", "too few for a verdict: 2 pairs finished, 3 are needed"),
    ],
)  # fmt: skip
def test_verdicts(differences, delta, what, text):
    found = compared(differences, None if delta is None else delta / 100)
    assert outcome(found) == what in OUTCOMES
    assert verdict(found).startswith(text) and "\n" not in verdict(found)


def test_the_verdict_says_on_which_images():
    a, b = ([replace(one, split="holdout") for one in results(some)] for some in ([0.9, 0.91, 0.92], [0.8, 0.82, 0.84]))
    assert "B is worse: B less A is -9.00 points on the holdout (95" in verdict(compare_results(a, b))
    assert "points (95" in verdict(compare_results(a, [replace(one, split="test") for one in b]))


def test_views_of_one_recipe():
    """B looks at each image more than once: more accurate, and slower."""
    a = results([0.90, 0.91, 0.93])
    b = [made(one.seed, one.valid_acc - 0.001, tta_acc=one.valid_acc + 0.01, tta=0.5) for one in a]
    found = compare_results(a, b)
    assert found.accuracy.difference.mean == pytest.approx(0.01)
    assert found.valid_acc.difference.mean == pytest.approx(-0.001)
    assert found.seconds["counted"].difference.mean == found.seconds["tta"].b == 0.5


def test_the_time_in_the_verdict():
    slower = [made(seed, 0.9, prepare=0, train=4 + 0.01 * seed) for seed in range(3)]
    faster = [made(seed, 0.9, prepare=0, train=2) for seed in range(3)]
    assert verdict(compare_results(slower, faster)).endswith("; B takes 0.499 of A's time (0.496 to 0.502)")
    assert verdict(compare_results(faster, slower)).endswith("; B takes 2.005 of A's time (1.993 to 2.017)")
    assert "no difference of time is found, B / A is 1.000 " in verdict(compare_results(slower, slower))


def test_runs_that_diverged_are_told():
    a = results([0.9, 0.9, 0.91, 0.92])
    b = [*results([0.91, 0.9, 0.93, 0.93])[:3], made(3, 0.99, status="diverged")]
    found = compare_results(a, b)
    assert found.pairs == (0, 1, 2) and found.b.diverged == (3,)
    assert verdict(found).startswith("B diverged in 1 of 4 runs; of the 3 pairs that finished: no difference is found")
    few = compare_results(a, [made(seed, 0.1, status="diverged") for seed in range(4)])
    assert verdict(few) == "B diverged in 4 of 4 runs; too few for a verdict: 0 pairs finished, 3 are needed"


def test_pairs_needed():
    found = compared([-0.1, 0, 0.1], delta=0.001)
    assert found.pairs_needed == 10  # one standard deviation
    assert compared([-0.1, 0, 0.1]).pairs_needed is None


def test_what_cannot_be_compared_is_said_before_anything_is_built(recipe, images, monkeypatch):
    def never(*arguments, **settings):
        raise AssertionError("trained")

    monkeypatch.setattr(sys.modules["fastcifar.train.comparing.series"], "train", never)
    monkeypatch.setattr(sys.modules["fastcifar.train.comparing.series"], "warm", never)
    other, longer = recipe.with_params({"dataset": "synthetic100"}), recipe.with_params({"total_epoch": 9})
    for words, arguments, settings in (
        ("at least 3 runs of each recipe, not 2", (recipe, recipe, images, 2), {}),
        ("more than 0 and at most 100 points, not 0", (recipe, recipe, images, 3), {"delta": 0}),
        ("A is for synthetic, B for synthetic100", (recipe, other, images, 3), {}),
        ("A and B are the same recipe", (recipe, recipe.with_params({"muon_lr": 0.5}), images, 3), {}),
        ("--null: it compares a recipe with itself", (recipe, longer, images, 3), {"null": True}),
        ("layer9", (recipe, recipe.with_params({"lr_scale.layer9": 1}), images, 3), {}),
        ("batch_size: 999", (recipe, recipe.with_params({"batch_size": 999}), images, 3), {}),
        ("split: 'valid'", (recipe, longer, images, 3), {"split": "valid"}),
    ):
        with pytest.raises(ValueError, match=words):
            compare(*arguments, device="cpu", **settings)
    with pytest.raises(ValueError, match="same seed"):
        compare_results([made(0, 0.9), made(0, 0.9)], [made(0, 0.9)])
