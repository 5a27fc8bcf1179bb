import json
import math
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spaces import NESTED, entry

from fastcifar.search import (
    GP,
    TPE,
    Evolution,
    Grid,
    History,
    Random,
    Space,
    SpaceError,
    SpaceExhausted,
    trial_rng,
)
from fastcifar.train import Recipe, named_recipe

SPACES = Path(__file__).parents[3] / "search_spaces"


def draws(kind, *args, n=2000, seed=0):
    space = Space.from_dict({"x": entry(kind, *args)})
    return [space.decode(row)["x"] for row in space.sample(np.random.default_rng(seed), n)]


def ks_distance(sample, cdf):
    """Kolmogorov-Smirnov distance of a sample from a continuous distribution."""
    ordered = np.sort(sample)
    expected = np.array([cdf(x) for x in ordered])
    steps = np.arange(len(ordered) + 1) / len(ordered)
    return max(np.abs(expected - steps[1:]).max(), np.abs(expected - steps[:-1]).max())


def normal_cdf(x, mu, sigma):
    return 0.5 * math.erfc((mu - x) / sigma / math.sqrt(2))


BOUND = 1.95 / math.sqrt(2000)  # passed by chance once in 1,000; the seed is fixed


def test_continuous_types_have_their_densities():
    assert ks_distance(draws("uniform", -2, 3), lambda x: (x + 2) / 5) < BOUND
    assert ks_distance(draws("loguniform", 0.01, 10), lambda x: math.log(x / 0.01) / math.log(1000)) < BOUND
    assert ks_distance(draws("normal", 1, 2), lambda x: normal_cdf(x, 1, 2)) < BOUND
    assert ks_distance(draws("lognormal", 1, 2), lambda x: normal_cdf(math.log(x), 1, 2)) < BOUND


def share_test(sample, probability):
    """Chi squared of a discrete sample against the probability of each value."""
    assert set(sample) <= set(probability)
    n = len(sample)
    chi = sum((sample.count(v) - n * p) ** 2 / (n * p) for v, p in probability.items())
    assert chi < len(probability) - 1 + 5 * math.sqrt(2 * len(probability) - 2)


def test_discrete_types_have_their_probabilities():
    share_test(draws("randint", 3, 7), dict.fromkeys([3, 4, 5, 6], 0.25))  # high is excluded
    share_test(draws("choice", "a", None, 2.5), dict.fromkeys(["a", None, 2.5], 1 / 3))
    share_test(draws("quniform", 2, 10, 5), {2: 0.5 / 8, 5: 5 / 8, 10: 2.5 / 8})  # the anchors' example
    edges = [1, 2.5, 7.5, 10]
    share = {v: math.log(b / a) / math.log(10) for v, a, b in zip([1, 5, 10], edges, edges[1:], strict=False)}
    share_test(draws("qloguniform", 1, 10, 5), share)
    cells = {v: normal_cdf(v + 1, 0, 1) - normal_cdf(v - 1, 0, 1) for v in (-2, 0, 2)}
    sample = [v if abs(v) <= 2 else None for v in draws("qnormal", 0, 1, 2)]
    share_test(sample, {**cells, None: 1 - sum(cells.values())})
    lognormal = draws("qlognormal", 0, 1, 0.5)
    assert min(lognormal) == 0 and abs(lognormal.count(0) / 2000 - normal_cdf(math.log(0.25), 0, 1)) < 0.04


def test_whole_floats_arrive_as_integers():
    assert all(type(v) is int for v in draws("quniform", 2, 10, 5))
    assert {type(v) for v in draws("quniform", 0, 1, 0.5)} == {int, float}
    assert all(type(v) is float for v in draws("uniform", 0, 10))
    assert all(type(v) is int for v in draws("randint", 0, 200_000))


numbers = st.floats(-1e3, 1e3, allow_nan=False).map(lambda x: round(x, 3))

positive = st.floats(0.01, 1e3).map(lambda x: round(x, 3))

json_values = st.one_of(
    st.integers(-5, 5), st.text(max_size=3), st.none(), st.booleans(), st.lists(st.integers(0, 3), max_size=2)
)


@st.composite
def entries(draw):
    kind = draw(
        st.sampled_from(
            [
                "choice",
                "randint",
                "uniform",
                "quniform",
                "loguniform",
                "qloguniform",
                "normal",
                "qnormal",
                "lognormal",
                "qlognormal",
            ]
        )
    )
    if kind == "choice":
        return entry(kind, *draw(st.lists(json_values, min_size=1, max_size=5)))
    if "normal" in kind and not kind.endswith("uniform"):
        args = [round(draw(st.floats(-3, 3)), 3), round(draw(st.floats(0.1, 2)), 3)]
    elif kind == "randint":
        low = draw(st.integers(-100, 100))
        args = [low, low + draw(st.integers(1, 50))]
    else:
        low = draw(positive if "log" in kind else numbers)
        args = [low, low + draw(positive)]
    return entry(kind, *args, *([draw(positive)] if kind.startswith("q") else []))


@settings(deadline=None)  # a busy machine
@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), entries(), min_size=1, max_size=4), st.integers(0, 99))
def test_every_sample_is_legal_and_comes_back(spec, seed):
    space = Space.from_dict(json.loads(json.dumps(spec)))
    for row in space.sample(np.random.default_rng(seed), 5):
        params = space.decode(row)
        assert list(params) == list(spec)
        for name, value in params.items():
            kind, args = spec[name]["_type"], spec[name]["_value"]
            if kind == "choice":
                assert any(type(value) is type(option) and value == option for option in args)
                continue
            if kind.startswith("q"):
                on_grid = abs(value / args[2] - round(value / args[2])) < 1e-6
                assert on_grid or (not kind.endswith("normal") and value in (args[0], args[1]))
            if not kind.endswith("normal"):
                assert args[0] <= value and (value < args[1] if kind == "randint" else value <= args[1])
        again = space.encode(params)
        assert space.decode(again) == params


def test_an_option_that_is_there_twice_is_one():
    space = Space.from_dict({"w": entry("choice", 16, 16.0, 32, 16), "b": entry("choice", True, 1, True)})
    assert [parameter.values for parameter in space.parameters] == [(16, 32), (True, 1)] and space.size() == 4
    grid, history = Grid(), History(space)
    for number in range(4):
        history.add(grid.suggest(space, history, trial_rng(0, number)), 0.0)
    with pytest.raises(SpaceExhausted):
        grid.suggest(space, history, trial_rng(0, 4))


def test_nested_parameters_live_on_their_branch_only():
    space = Space.from_dict(NESTED)
    seen = set()
    for row in space.sample(np.random.default_rng(0), 200):
        params = space.decode(row)
        net = params["net"]
        keys = {"small": {"_name"}, "big": {"_name", "width", "wd"}, "deep": {"_name", "head"}}[net["_name"]]
        assert set(net) == keys and set(params) == {"net", "lr"}
        seen.add((net["_name"], net.get("head", {}).get("_name")))
        np.testing.assert_allclose(space.encode(params), row, rtol=1e-12)
    assert seen == {("small", None), ("big", None), ("deep", "a"), ("deep", "b")}


def test_points_of_a_finite_space():
    spec = {
        "net": {"_type": "choice", "_value": [NESTED["net"]["_value"][0], NESTED["net"]["_value"][2]]},
        "n": entry("randint", 0, 2),
    }
    space = Space.from_dict(spec)
    points = [space.decode(row) for row in space.points()]
    assert space.size() == len(points) == len({json.dumps(p, sort_keys=True) for p in points}) == (1 + 3 + 1) * 2
    assert points[:2] == [{"net": {"_name": "small"}, "n": 0}, {"net": {"_name": "small"}, "n": 1}]
    assert math.isinf(Space.from_dict(NESTED).size())
    with pytest.raises(ValueError, match="can be listed"):
        Space.from_dict(NESTED).points()


def test_order_of_values():
    space = Space.from_dict(
        {
            "a": entry("choice", 64, 16, 32),
            "b": entry("choice", "x", 1),
            "c": entry("choice", True, False),
            "d": entry("choice", 1),
        }
    )
    assert [p.ordered for p in space.parameters] == [True, False, False, False]
    assert space.parameters[0].values == (16, 32, 64)


@pytest.mark.parametrize("path", sorted(SPACES.glob("*.json")), ids=lambda path: path.stem)
def test_the_shipped_spaces_are_recipes_fields(path):
    recipe = named_recipe("speedrun94") if path.stem == "speedrun" else Recipe()
    space = Space.load(path)
    for row in space.sample(np.random.default_rng(0), 20):
        recipe.with_params(space.decode(row))


def test_the_notes_space_is_the_seeds():
    space = Space.load(SPACES / "notes.json")
    assert [p.key for p in space.parameters] == [
        "peak_lr",
        "peak_epoch",
        "logits_weight",
        "prep",
        "layer1",
        "layer2",
        "layer3",
    ]
    assert Space.load(SPACES / "channels.json").size() == 256


@pytest.mark.parametrize(
    "args",
    [
        ("lognormal", 0, 69),
        ("lognormal", -50, 60),
        ("normal", 1e15, 1),
        ("normal", 0, 1e299),
        ("uniform", -1e300, 1e300),
        ("uniform", 1e-299, 1e-298),
        ("loguniform", 1e-300, 1e300),
        ("quniform", 0, 1e15, 1),
        ("qlognormal", 0, 1, 1e-3),
        ("qlognormal", -300, 20, 1),
        ("randint", -(2**53), 2**53),
        ("quniform", 0, 1, 1e300),
    ],
)
@pytest.mark.parametrize("searcher", [Random(), TPE(startup=3), GP(startup=3), Evolution(population=3)])
def test_what_is_taken_is_searched_to_its_end(args, searcher):
    space = Space.from_dict({"x": entry(*args)})
    history = History(space)
    for number in range(12):
        try:
            params = searcher.suggest(space, history, trial_rng(0, number))
        except SpaceExhausted:
            break
        value = params["x"]
        assert math.isfinite(value) and json.loads(json.dumps(value)) == value
        history.add(params, -abs(math.log(abs(value) + 1)))


def test_many_named_options_are_read_at_once():
    """The checks were quadratic: 2.9 s for 20,000 options."""
    options = [{"_name": str(number), "x": entry("choice", 1, 2)} for number in range(20_000)]
    start = time.process_time()
    space = Space.from_dict({"net": entry("choice", *options)})
    assert space.size() == 40_000
    params = {"net": {"_name": "19999", "x": 2}}
    assert space.decode(space.encode(params)) == params
    with pytest.raises(SpaceError, match="two options have the _name '7'"):
        Space.from_dict({"net": entry("choice", *options, {"_name": "7"})})
    assert time.process_time() - start < 2


def test_a_thousand_parameters_of_one_value_are_listed():
    space = Space.from_dict({f"p{number}": entry("choice", number) for number in range(1500)})
    assert space.points().shape == (1, 1500)


def test_a_grid_of_a_million_points_is_listed_once():
    """It was listed anew for every suggestion, in 2.8 s."""
    space = Space.from_dict({"y": entry("randint", 0, 1000), "x": entry("randint", 0, 1000)})
    history = History(space)
    start = time.process_time()
    for number in range(20):
        params = Grid().suggest(space, history, trial_rng(0, number))
        assert params == {"y": 0, "x": number}
        history.add(params, 0.0)
    assert time.process_time() - start < 2


def test_values_that_are_meant_are_listed():
    numbers = Space.from_dict({"x": entry("randint", 0, 100), "y": entry("choice", "a", [1], {"b": 2})})
    with pytest.raises(ValueError) as caught:
        numbers.encode({"x": 100, "y": "a"})
    assert str(caught.value) == "x: 100 is none of its values: 0, 1, 2, 3, 4, 5, ..., 99"
    with pytest.raises(ValueError) as caught:
        numbers.encode({"x": 1, "y": "b"})
    assert str(caught.value) == "y: 'b' is none of its values: a, [1], {'b': 2}"


def test_the_words_of_a_space_are_no_parameters():
    space = Space.from_dict({"_total_epoch": 24, "x": entry("randint", 0, 3), "_own": entry("choice", 1, 2)})
    assert space.total_epoch == 24 and [parameter.key for parameter in space.parameters] == ["x", "_own"]
    assert Space.from_dict({"x": entry("randint", 0, 3)}).total_epoch is None
    for words, message in (
        ({"_total_epoch": 0}, "_total_epoch: a whole number of epochs, at least 1, is needed, not 0"),
        ({"_total_epoch": True}, "not True"),
        ({"_total_epoch": entry("randint", 1, 3)}, "_total_epoch: a whole number of epochs"),
        ({"_total_epochs": 24}, "'_total_epochs' is no word that a space has; did you mean _total_epoch"),
    ):
        with pytest.raises(SpaceError, match=message):
            Space.from_dict({**words, "x": entry("randint", 0, 3)})
    with pytest.raises(SpaceError, match="at least one parameter"):
        Space.from_dict({"_total_epoch": 24})
