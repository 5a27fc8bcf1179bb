import pytest

from fastcifar.train import Recipe, RecipeError
from fastcifar.train.build import rate_factors
from fastcifar.train.optim.schedule import instead_factors, learning_rate, scale_factors

PATHS = ["prep/conv/weight", "layer1/conv/weight", "layer1/residual/res1/conv/weight", "layer10/conv/weight"]


def test_the_notes_rates():
    """The column lr of the notes' tables: 24 epochs, peak 0.4 at epoch 5."""
    shown = [f"{learning_rate(epoch, 0.4, 5, 24):.4f}" for epoch in (1, 2, 5, 6, 7, 23, 24)]
    assert shown == ["0.0800", "0.1600", "0.4000", "0.3789", "0.3579", "0.0211", "0.0000"]


def test_edges_of_the_schedule():
    assert learning_rate(0, 0.4, 5, 24) == 0
    assert learning_rate(0, 0.5, 0, 24) == 0.5  # no way up
    assert learning_rate(24, 0.4, 24, 24) == 0.4  # no way down
    assert learning_rate(24.0000001, 0.4, 5, 24) == 0  # rounding does not turn it negative


def test_lr_scale_takes_the_longest_prefix():
    assert scale_factors(PATHS, {"prep": 0.1, "layer1": 0.4, "layer1/residual": 2}) == [0.1, 0.4, 2, 1]
    with pytest.raises(RecipeError, match="'layer4'; there are prep, layer1, layer10"):
        scale_factors(PATHS, {"layer4": 1})


def test_lr_instead_keeps_places():
    assert instead_factors(["a", "c"], ["a", "b", "c"], [1, 2, 3]) == [1, 3]
    with pytest.raises(RecipeError, match="3 parameter tensors, not 2"):
        instead_factors(["a"], ["a", "b", "c"], [1, 2])


def test_lr_instead_of_a_recipe_with_a_block_left_out():
    """The notes' second adjustment: without prep/extra, places 3 to 5 of the list are passed over."""
    rates = [i / 100 for i in range(1, 29)]  # 25 tensors of resnet9, 3 of the extra block
    full = Recipe(extra_layers={"prep": 1}, lr_instead=rates)
    assert rate_factors(full, 10) == pytest.approx(rates)
    left_out = full.with_params({"leave_out": ["prep/extra"]})
    assert rate_factors(left_out, 10) == pytest.approx(rates[:3] + rates[6:])
    both = left_out.with_params({"lr_scale": {"linear": 10}})
    assert rate_factors(both, 10) == pytest.approx(rates[:3] + rates[6:27] + [rates[27] * 10])
    with pytest.raises(RecipeError, match="28 parameter tensors, not 25"):
        rate_factors(left_out.with_params({"lr_instead": rates[:25]}), 10)


def test_a_schedule_that_does_not_begin_or_end_at_zero():
    rates = [learning_rate(epoch, 2.0, 4, 10, start=0.2, end=0.1) for epoch in (0, 2, 4, 7, 10)]
    assert rates == pytest.approx([0.4, 1.2, 2.0, 1.1, 0.2])
    assert learning_rate(0, 2.0, 0, 10) == 2.0
