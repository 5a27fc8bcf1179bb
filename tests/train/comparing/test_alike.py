from dataclasses import replace

import pytest
from made_results import made

from fastcifar.train.comparing.alike import check_comparable, check_one_recipe, device_kinds, mixed, mixed_line

MACHINE = {"device": "a CPU", "threads": 2, "system": "Linux", "code": "1.0", "versions": {"torch": "2.13"}}
DATA = {"name": "synthetic", "fingerprint": "f" * 64, "train_images": 640}


def one(seed=0, **changes):
    values = {
        "provenance": MACHINE,
        "dataset": DATA,
        "settings": {"device": "cpu", "step": "fused"},
        "id": f"run{seed}",
    }
    return replace(made(seed, 0.9), **{**values, **changes})


def test_what_differs():
    other = {**MACHINE, "threads": 1, "versions": {"torch": "2.14"}}
    assert mixed([one(0), one(1)]) == {} and mixed_line({}) == ""
    expected = {"threads": [2, 1], "torch": ["2.13", "2.14"]}
    assert mixed([one(0), one(1, provenance=other)]) == expected
    assert mixed([one(0, resumed=[{"at": "later", **other}])]) == expected  # by several sessions
    assert mixed([one(0)], other) == expected
    assert mixed_line(expected) == "not all runs were made alike: threads 2 and 1; torch 2.13 and 2.14"


def test_a_precision_of_the_recipe_is_no_difference_of_the_machine():
    auto = made(0, 0.9).recipe
    chosen = auto.with_params({"precision": "O2"})
    assert auto.precision == "auto"
    assert mixed([one(precision="O0"), one(precision="O2", recipe=chosen)]) == {}
    assert mixed([one(precision="O0"), one(precision="O2")]) == {"precision": ["O0", "O2"]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"split": "holdout"}, "split: run0 has test, run1 has holdout"),
        (
            {"dataset": {**DATA, "fingerprint": "e" * 64}},
            "images: run0 has synthetic of fingerprint ffffffffffff, run1",
        ),
        ({"dataset": {**DATA, "train_images": 64}}, "train images: run0 has 640, run1 has 64"),
    ],
)
def test_other_images_are_refused(changes, words):
    check_comparable([one(0), one(1)])
    with pytest.raises(ValueError, match=words):
        check_comparable([one(0), one(1, **changes)])


def test_a_side_is_one_recipe():
    other = made(0, 0.9).recipe.with_params({"flip": "none"})
    with pytest.raises(ValueError, match=r"--of: run0 and run1 are of different recipes .flip random and none"):
        check_one_recipe([one(0), one(1, recipe=other)], "--of")


def test_kinds_of_devices():
    assert device_kinds([one(settings={"device": "cuda:1"}), one()]) == ["cpu", "cuda"]
