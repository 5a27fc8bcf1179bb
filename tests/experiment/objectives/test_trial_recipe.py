"""What a trial trains where the recipe has other epochs than the space's numbers are for."""

from dataclasses import replace

from fastcifar.experiment.objectives.training.trial_recipe import TrialRecipes, shares_text
from fastcifar.search import Space
from fastcifar.search.spaces.named import named_space
from fastcifar.train import Recipe


def test_the_peak_of_lr_is_of_24_epochs():
    """By hand: from 3 to 9 epochs of 24 becomes from 0.5 to 1.5 of 4, and half of that in a trial of 2."""
    entries, recipe = named_space("lr"), Recipe(total_epoch=4)
    recipes = TrialRecipes(recipe=recipe, epochs=24)
    assert [recipes({"peak_epoch": epoch}).peak_epoch for epoch in (3, 9, 24)] == [0.5, 1.5, 4]
    assert recipes({"peak_epoch": 9, "total_epoch": 2}).peak_epoch == 0.75
    assert recipes({"peak_epoch": 9, "peak_lr": 0.1}).peak_lr == 0.1
    text = shares_text(Space.from_dict(entries), 4)
    assert text == "peak_epoch: 3 to 9 of 24 epochs becomes 0.5 to 1.5 of 4"
    assert shares_text(Space.from_dict(entries), 24) is None


def test_sizes_of_other_epochs():
    entries = {
        "_total_epoch": 6,
        "sizes.24": {"_type": "randint", "_value": [0, 4]},
        "prep": {"_type": "choice", "_value": [2, 4]},
    }
    recipes = TrialRecipes(recipe=Recipe(total_epoch=24), epochs=6)
    assert recipes({"sizes.24": 3}).sizes == {"24": 12}
    assert recipes({"sizes": {"24": 1, "16": 2}}).sizes == {"16": 8, "24": 4}
    assert replace(recipes, recipe=Recipe(total_epoch=3))({"sizes.24": 3}).sizes == {"24": 1}  # whole epochs
    assert shares_text(Space.from_dict(entries), 24) == "sizes.24: 0 to 3 of 6 epochs becomes 0 to 12 of 24"
    own = TrialRecipes(recipe=Recipe(), epochs=6, epochs_of_space=True)
    assert own({"total_epoch": 12, "sizes.24": 3, "peak_epoch": 3}).peak_epoch == 6


def test_the_options_of_a_nested_choice_are_the_values_of_its_field():
    recipes = TrialRecipes(recipe=Recipe())
    made = recipes({"optimizer": {"_name": "muon", "muon_lr": 0.5}, "lr_scale.prep": 2})
    assert (made.optimizer, made.muon_lr, made.lr_scale) == ("muon", 0.5, {"prep": 2})
