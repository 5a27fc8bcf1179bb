"""Which networks a space holds."""

from pathlib import Path

import pytest
from supernets import ENTRIES, RECIPE, WIDTHS, plan

from fastcifar.search import Space
from fastcifar.search.spaces.named import read_space
from fastcifar.supernet import Choices, Plan
from fastcifar.train import describe_network, named_recipe


def choices(entries=ENTRIES, recipe=RECIPE, vary=()):
    return Choices(recipe, Space.from_dict(entries), vary)


def test_the_full_network_has_all_that_any_has():
    full = choices().full
    assert (full.prep, full.layer1, full.layer2, full.layer3) == (4, 8, 8, 8)
    assert dict(full.ks) == {"prep": 3, "layer1": 5, "layer2": 3, "layer3": 3}
    # What comes after the block may take the 8 channels from before it.
    assert dict(full.extra_layers) == {"layer1": 2} and dict(full.extra_widths) == {"layer1/extra": 8}
    assert full.res_layers == ("layer1", "layer3")


def test_the_full_network_is_no_point_where_lists_have_no_largest():
    entries = {"res_layers": {"_type": "choice", "_value": [["layer1"], ["layer3"]]}}
    assert choices(entries).full.res_layers == ("layer1", "layer3")
    entries = {"leave_out": {"_type": "choice", "_value": [["layer1/residual"], ["layer3/residual"], []]}}
    assert choices(entries).full.leave_out == ()
    assert choices(entries).smallest == {"leave_out": ["layer1/residual"]}


NARROW = {  # extra blocks that are narrower than their layer, and may be left out
    "layer1": {"_type": "choice", "_value": [4, 8]},
    "extra_layers.layer1": {"_type": "randint", "_value": [0, 3]},
    "extra_widths.layer1/extra": {"_type": "choice", "_value": [2, 6]},
    "extra_widths.layer1/extra_1": {"_type": "choice", "_value": [3, 10]},
}


WIDE = {  # an extra block that is wider than those after it, which may be left out
    "layer1": {"_type": "choice", "_value": [4, 8]},
    "extra_layers.layer1": {"_type": "randint", "_value": [0, 4]},
    "extra_widths.layer1/extra": {"_type": "choice", "_value": [4, 12]},
    "extra_widths.layer1/extra_1": {"_type": "choice", "_value": [2, 10]},
}


@pytest.mark.parametrize(
    "entries", [ENTRIES, WIDTHS, NARROW, WIDE], ids=["all kinds", "widths", "narrow blocks", "wide blocks"]
)
def test_every_network_lies_in_the_full_one(entries):
    made = choices(entries)
    full = {path: weight.shape for path, weight in describe_network(made.full, 10).path_parameters()}
    for params in made.points():
        for path, weight in describe_network(made.of(params), 10).path_parameters():
            assert all(a >= b for a, b in zip(full[path], weight.shape, strict=True))


def test_a_network_has_one_point():
    made = choices(NARROW)
    networks = [describe_network(made.of(params), 10).path_parameters() for params in made.points()]
    shapes = {tuple((path, weight.shape) for path, weight in network) for network in networks}
    assert len(shapes) == len(networks) == 2 * (1 + 2 + 4) < made.space.size()
    assert len(list(choices(WIDTHS).points())) == 16 == choices(WIDTHS).space.size()


def test_the_smallest_keeps_what_is_not_varied():
    made = choices(WIDTHS, vary=("prep", "layer3"))
    assert made.smallest == {"prep": 4, "layer1": 8, "layer2": 8, "layer3": 4}
    assert list(made.varied) == ["prep", "layer3"]
    assert list(choices(vary=("depth",)).varied) == ["extra_layers.layer1"]
    assert list(choices(vary=("width", "kernel")).varied) == [
        "prep",
        "layer1",
        "ks.layer1",
        "extra_widths.layer1/extra",
    ]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"peak_lr": {"_type": "choice", "_value": [0.1, 0.2]}}, "peak_lr: networks that share weights differ in prep"),
        ({"prep": {"_type": "uniform", "_value": [8, 16]}}, "prep: a supernet needs a list of values"),
        ({"prep": {"_type": "choice", "_value": [{"_name": "a"}]}}, "prep: a supernet takes no nested choices"),
        (
            {"ks": {"_type": "choice", "_value": [3, {"layer1": 5}]}},
            "ks: numbers are needed, or lists; what has parts is",
        ),
        (
            {
                "leave_out": {"_type": "choice", "_value": [["layer1/residual"], []]},
                "res_layers": {"_type": "choice", "_value": [["layer1"], []]},
            },
            r"'res_layers': \[\]\} do not go together: leave_out: 'layer1/residual' is no optional block",
        ),
        ({"ks": {"_type": "choice", "_value": [3, 7]}}, "ks: a kernel is 3 or 5 wide, not 7"),
        (
            {"extra_widths.layer1/residual": {"_type": "choice", "_value": [4, 8]}},
            "extra_widths: 'layer1/residual': a residual pair has the width of its layer",
        ),
        ({"extra_widths.layer1/extra9": {"_type": "choice", "_value": [4, 8]}}, "'layer1/extra9' is not known"),
    ],
)
def test_a_space_that_is_not_for_a_supernet(entries, message):
    with pytest.raises(ValueError, match=message):
        choices(entries)


def test_a_block_that_some_far_combination_leaves_out_is_found():
    """However many combinations come before it."""
    entries = {
        "res_layers": {"_type": "choice", "_value": [["layer1", "layer3"], ["layer3"]]},
        **{f"extra_layers.{layer}": {"_type": "randint", "_value": [0, 5]} for layer in ("prep", "layer2", "layer3")},
        "leave_out": {"_type": "choice", "_value": [["layer1/residual"], []]},
    }
    with pytest.raises(ValueError, match=r"'res_layers': \['layer3'\]\} do not go together: leave_out: 'layer1/res"):
        choices(entries)


@pytest.mark.parametrize(("name", "networks"), [("channels", 256), ("supernet", 18_432)])
def test_the_spaces_that_come_with_it(name, networks):
    entries = read_space(Path(__file__).parents[2] / "search_spaces" / f"{name}.json")
    wanted = Plan(recipe=named_recipe("resnet9-tiny"), space=entries)
    assert wanted.choices.space.size() == networks
    assert all(wanted.choices.counts(point) for point in (wanted.choices.largest, wanted.choices.smallest))


def test_a_plan_needs_a_seed_that_can_be_drawn_by():
    with pytest.raises(ValueError, match=r"--seed: a whole number at least 0 is needed, not -1"):
        plan(seed=-1)


def test_a_recipe_that_is_not_for_a_supernet():
    with pytest.raises(ValueError, match="optimizer: a supernet has 'sgd' only, not 'muon'"):
        choices(recipe=RECIPE.with_params({"optimizer": "muon"}))
    with pytest.raises(ValueError, match="sizes: a supernet has"):
        choices(recipe=RECIPE.with_params({"sizes": {"16": 1}}))


def test_what_is_varied_has_to_be_a_choice():
    with pytest.raises(ValueError, match=r"--vary: .dept. is no choice.*depth"):
        choices(vary=("dept",))
    with pytest.raises(ValueError, match=r"--vary: of depth the space, with prep, .*, has no choice"):
        choices(WIDTHS, vary=("depth",))


def test_a_point_outside_the_space_is_named():
    with pytest.raises(ValueError, match="prep: 3 is none of its values"):
        choices(WIDTHS).of({"prep": 3, "layer1": 8, "layer2": 8, "layer3": 8})
    with pytest.raises(ValueError, match="layer3: it is missing"):
        choices(WIDTHS).of({"prep": 4, "layer1": 8, "layer2": 8})
