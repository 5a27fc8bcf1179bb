from dataclasses import replace

import pytest
from made_results import made

from fastcifar.statistics import detectable
from fastcifar.train import compare_results, named_recipe
from fastcifar.train.comparing.advice import advice


def told(differences, delta=None, **changes):
    """A is 0.9 everywhere, B differs by that many points."""
    a = [replace(made(seed, 0.9), **changes) for seed in range(len(differences))]
    b = [replace(made(seed, 0.9 + points / 100), **changes) for seed, points in enumerate(differences)]
    return advice(compare_results(a, b, delta), {"A": a, "B": b})


def test_more_pairs():
    assert told([-0.1, 0, 0.1], 0.001) == [
        "more pairs: 10 would tell 0.1 points apart, where the spread stays as it is"
    ]
    few, many = (100 * detectable(0.001, n) for n in (12, 48))
    (line,) = told([-0.1, 0, 0.1])
    assert line.startswith(f"more pairs: 12 would tell {few:.2f} points apart, 48 would tell {many:.2f} points apart")
    assert told([0.1, 0.2]) == ["more pairs: at least 3 that finish are needed"]
    assert told([0.2, 0.2, 0.2])[0].startswith("more pairs: these differ by one number")
    assert told([-0.1, 0, 0.1, 0.05], 0.004)[:1] == []  # equivalent


@pytest.mark.parametrize("differences", [[0.3, 0.4, 0.5], [-0.3, -0.4, -0.5], [0, 0, 0]])
def test_nothing_where_it_is_told(differences):
    assert told(differences) == []


def test_more_images_and_more_epochs():
    recipe = named_recipe("resnet9-tiny").with_params({"total_epoch": 1, "train_images": 5000})
    lines = told([-0.1, 0, 0.1], recipe=recipe, recipe_name="resnet9-tiny", dataset={"train_images": 5000})
    assert lines[1:] == [
        "all training images: these runs had 5,000, and the spread of runs shrinks with more",
        "longer training: these runs had 1 epoch of resnet9-tiny's 10, and the spread of runs shrinks as they converge",
    ]
