"""Spaces that do not go with their recipe, or with the way it is trained."""

from dataclasses import replace

import pytest

from fastcifar.experiment.objectives.training.sizes import flops, parameters
from fastcifar.experiment.objectives.training.space_check import check_space
from fastcifar.experiment.objectives.training.trial_recipe import TrialRecipes
from fastcifar.search import Space
from fastcifar.search.spaces.named import named_space, space_names
from fastcifar.search.spaces.rules import SpaceError
from fastcifar.train import Recipe, RecipeError, named_recipe


def choice(*values):
    return {"_type": "choice", "_value": list(values)}


def check(entries, recipe=Recipe(), **more):  # noqa: B008  frozen
    epochs = entries.get("_total_epoch")
    recipes = TrialRecipes(recipe=recipe, epochs=epochs, epochs_of_space="total_epoch" in entries)
    return check_space(recipes, Space.from_dict(entries), source="x.json", **more)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"pre": choice(16, 32)}, "x.json: a recipe has no field 'pre'; did you mean prep or precision?"),
        ({"prep": choice(16, -1)}, "x.json: prep: a whole number at least 1 and at most 65536 is needed, not -1"),
        (
            {"peak_epoch": {"_type": "randint", "_value": [3, 30]}},
            "x.json: peak_epoch: a number at least 0 and at most total_epoch (24) is needed, not 29",
        ),
        (  # the one value of a thousand that no drawn point has
            {"cutout": {"_type": "uniform", "_value": [0, 32.5]}},
            "x.json: cutout: a whole number at least 0 and at most 32 is needed, not ",
        ),
        ({"momentum": choice(*(n / 300 for n in range(302)))}, "x.json: momentum: a number at least 0 and at most 1"),
        (
            {"sizes.16": {"_type": "randint", "_value": [0, 13]}, "sizes.24": {"_type": "randint", "_value": [0, 14]}},
            "x.json: sizes.16=12 sizes.24=13: sizes: its 25 epochs are more than total_epoch (24)",
        ),
        ({"batch_size": choice(64, 50000)}, "x.json: batch_size: 50000 is more than the 45000 images to train on"),
        (
            {"lr_scale.prep": choice(1, 2), "lr_scale.layer9": choice(1, 2)},
            "x.json: lr_scale.layer9=1: lr_scale: no parameter lies under 'layer9'",
        ),
        (
            {"leave_out": choice([], ["layer1/extra"]), "extra_layers.layer1": choice(0, 1)},
            "x.json: leave_out=['layer1/extra']: leave_out: 'layer1/extra' is no optional block",
        ),
        (
            {"_total_epoch": 10, "peak_epoch": {"_type": "uniform", "_value": [1, 30]}},
            "x.json: peak_epoch=30.0: peak_epoch: a number at least 0 and at most total_epoch (24) is needed, not 72.0",
        ),
    ],
)
def test_a_point_that_no_recipe_can_have(entries, message):
    with pytest.raises(SpaceError) as caught:
        check(entries, images=45_000)
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("entries", "recipe", "message"),
    [
        ({"muon_lr": choice(0.1, 0.2)}, {}, "x.json: muon_lr does nothing with sgd (optimizer)"),
        (
            {"tail_epochs": choice(1, 2), "averaging": choice("none", "lookahead")},
            {},
            "x.json: tail_epochs does nothing where averaging is ",
        ),
        ({"extra_widths.prep/extra": choice(8)}, {}, "x.json: extra_widths.prep/extra does nothing without that block"),
        ({"convs": choice(2)}, {}, "x.json: convs does nothing in resnet9 (network): it is speednet's"),
        (
            {"averaging": choice({"_name": "tail", "average_decay": choice(0.5), "tta_share": choice(0.1)})},
            {"tta": "six-unsure"},
            "x.json: averaging/tail/tta_share does nothing in a search: its trials are judged without views",
        ),
        (
            {"optimizer": choice({"_name": "sgd", "muon_lr": choice(0.1, 0.2)}, {"_name": "muon"})},
            {},
            "x.json: optimizer/sgd/muon_lr does nothing with sgd (optimizer)",
        ),
    ],
)  # fmt: skip
def test_a_key_that_does_nothing(entries, recipe, message):
    with pytest.raises(SpaceError) as caught:
        check(entries, Recipe(**recipe))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "entries",
    [
        {"muon_lr": choice(0.1, 0.2), "optimizer": choice("sgd", "muon")},
        {"extra_widths.prep/extra": choice(8, 16), "extra_layers.prep": {"_type": "randint", "_value": [0, 2]}},
        {"optimizer": choice({"_name": "sgd"}, {"_name": "muon", "muon_lr": choice(0.1, 0.2)})},
    ],
)
def test_a_key_that_does_something_in_one_point(entries):
    check(entries)


def test_a_key_that_does_something_in_few_points():
    """In one of 216 combinations, amid the others' ranges: further points are drawn for it."""
    layers = ("layer1", "layer2", "layer3")
    entries = {layer: {"_type": "randint", "_value": [1, 7]} for layer in layers} | {"muon_lr": choice(0.1, 0.2)}

    def recipe_of(params):
        there = all(params[layer] == 4 for layer in layers)
        return Recipe(optimizer="muon" if there else "sgd").with_params(params)

    recipes = check_space(recipe_of, Space.from_dict(entries), samples=10)
    assert {recipe.optimizer for recipe in recipes} == {"sgd"}


def test_a_setting_that_does_nothing_in_a_search():
    check({"optimizer": choice("sgd", "muon")}, settings=["muon_lr"])
    with pytest.raises(RecipeError, match="muon_lr: it does nothing with sgd"):
        check({"peak_lr": choice(0.1, 0.2)}, settings=["muon_lr"])


@pytest.mark.parametrize("total", [1, 4, 10, 24])
@pytest.mark.parametrize("name", space_names())
def test_shipped_spaces_go_with_any_total_epoch(name, total):
    recipe = named_recipe("speedrun94-cpu" if name == "speedrun" else "resnet9-tiny").with_params(
        {"total_epoch": total}
    )
    recipes = check(named_space(name), recipe, images=45_000)
    assert {one.total_epoch for one in recipes} == {total}


def test_a_limit_that_few_networks_meet():
    """One of 4,096, which no 64 drawn ones are."""
    entries = {
        layer: {"_type": "choice", "_value": [*range(8, 16)]} for layer in ("prep", "layer1", "layer2", "layer3")
    }
    recipe_of = Recipe().with_params
    smallest = recipe_of(dict.fromkeys(entries, 8))
    for cost in (flops, parameters):
        space = replace(Space.from_dict(entries), allowed=lambda one: cost(recipe_of(one)) <= cost(smallest))  # noqa: B023
        assert check_space(recipe_of, space) == [smallest, smallest]
    space = replace(space, allowed=lambda one: False)
    message = f"the smallest have {flops(smallest):,} FLOPs and {parameters(smallest):,} parameters"
    with pytest.raises(ValueError, match=message):
        check_space(recipe_of, space)
