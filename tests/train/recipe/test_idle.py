import pytest

from fastcifar.train import Recipe, RecipeError
from fastcifar.train.recipe.idle import idle, why_idle, without_idle
from fastcifar.train.recipe.rules import check_differ, check_used

SPEEDNET = {"network": "speednet", "whiten": 2}
MUON = {"optimizer": "muon", "bias_lr": 1, "head_lr": 1, "train_bn_scale": False, "base_wd": 0}

WIDE = {"extra_widths": {"prep/extra": 8}}


@pytest.mark.parametrize(
    ("key", "without", "where"),
    [
        ("muon_lr", {}, {"optimizer": "muon"}),
        ("muon_steps", {}, {"optimizer": "muon"}),
        ("average_every", {}, {"averaging": "lookahead"}),
        ("tail_epochs", {"averaging": "lookahead"}, {"averaging": "tail"}),
        ("tta_share", {"tta": "six"}, {"tta": "six-unsure"}),
        ("lr_start", {"peak_epoch": 0}, {}),
        ("lr_end", {"peak_epoch": 24}, {}),
        ("peak_epoch", {"lr_start": 1, "lr_end": 1}, {"lr_start": 1}),
        ("peak_lr", MUON, {**MUON, "base_wd": 0.1}),
        ("whiten_images", {}, {"whiten": 3}),
        ("convs", {}, SPEEDNET),
        ("prep", SPEEDNET, {}),
        ("ks.layer1", SPEEDNET, {}),
        ("ks.prep", {"whiten": 3}, {"whiten": 3, "res_layers": ["prep"]}),
        ("ks.prep", {"whiten": 3}, {"whiten": 3, "extra_layers": {"prep": 1}}),
        ("lr_scale.whiten", {**SPEEDNET, "whiten_epochs": 0, "lr_scale": {"whiten": 2}}, SPEEDNET),
        ("extra_layers", SPEEDNET, {}),
        (
            "extra_widths.layer1/extra",
            {"extra_layers": {"layer1": 1}, "leave_out": ["layer1/extra"]},
            {"extra_layers": {"layer1": 1}, "extra_widths": {"layer1/extra": 8}},
        ),
        ("extra_widths", WIDE, {**WIDE, "extra_layers": ["prep"]}),
    ],
)  # fmt: skip
def test_a_field_that_needs_another(key, without, where):
    assert why_idle(Recipe(**without), key) and why_idle(Recipe(**where), key) is None
    check_used([Recipe(**without), Recipe(**where)], [key])
    with pytest.raises(RecipeError, match=f"{key}: it does nothing "):
        check_used([Recipe(**without)], [key])


def test_the_fields_of_the_default_recipe_that_do_something():
    """By hand: all but those of muon, averages, whitening, views, extra blocks and speednet."""
    does_nothing = ("muon_lr", "muon_momentum", "muon_steps", "average_every", "average_decay", "tail_epochs")
    does_nothing += ("whiten_images", "whiten_epochs", "tta_share", "convs", "extra_widths")
    assert {key for key in idle(Recipe()) if "." not in key} == set(does_nothing)


def test_the_same_training():
    one = Recipe(extra_layers=["layer1"], extra_widths={"layer1/extra": 8})
    same = one.with_params({"extra_widths.prep/extra": 9, "muon_lr": 0.5, "tail_epochs": 2})
    assert same != one and without_idle(same) == without_idle(one)
    check_differ(one, one.with_params({"extra_widths.layer1/extra": 9}), null=False)
    check_differ(one, same, null=True)
