"""Which networks a step trains, and how often that is each weight."""

from collections import Counter

import numpy as np
import pytest
import torch
from supernets import ENTRIES, RECIPE, WIDTHS, batch, plan, supernet

from fastcifar.search import Space
from fastcifar.supernet import Choices
from fastcifar.supernet.methods import drawn, fair
from fastcifar.supernet.rates import activation, activation_rates
from fastcifar.supernet.update import gradients, update

FOUR = {
    "prep": {"_type": "choice", "_value": [1, 2, 3, 4]},
    "layer1": {"_type": "choice", "_value": [2, 4, 6, 8]},
    "extra_layers.layer2": {"_type": "randint", "_value": [0, 4]},
}


def choices(entries=WIDTHS, vary=()):
    return Choices(RECIPE, Space.from_dict(entries), vary)


def test_fair_takes_each_value_once_a_round():
    values = {"a": (1, 2, 3), "b": ("x", "y")}
    for seed in range(3):
        steps = [fair(values, seed, step) for step in range(60)]
        for key, options in values.items():
            for start in range(0, 60, len(options)):
                assert sorted(one[key] for one in steps[start : start + len(options)]) == sorted(options)
    pairs = Counter((one["a"], one["b"]) for one in (fair(values, 0, step) for step in range(600)))
    assert len(pairs) == 6 and min(pairs.values()) > 60  # the choices do not go together


def test_uniform_draws_each_value_equally_often():
    made = choices()
    counts = Counter(drawn(made, "uniform", 0, step)[0].layer2 for step in range(800))
    assert abs(counts[4] - 400) < 80
    assert drawn(made, "uniform", 0, 7) == drawn(made, "uniform", 0, 7)
    assert [drawn(made, "uniform", 0, i) for i in range(8)] != [drawn(made, "uniform", 1, i) for i in range(8)]


def test_no_network_is_twice_in_a_step():
    """What is drawn is often what is there anyway; its gradient would be forgotten, and then counted twice."""
    made = choices({"prep": {"_type": "choice", "_value": [4, 8]}})
    steps = [drawn(made, "sandwich", 0, step) for step in range(20)]
    assert all(len(set(networks)) == len(networks) == 2 for networks in steps)


def test_sandwich_has_the_full_and_the_smallest():
    made = choices(vary=("layer1", "layer2"))
    steps = [drawn(made, "sandwich", 0, step) for step in range(20)]
    for full, smallest, *between in steps:
        assert full == made.full and smallest == made.of({"prep": 8, "layer1": 4, "layer2": 4, "layer3": 8})
        assert len(between) <= 2 and all(one.prep == one.layer3 == 8 for one in between)
    assert max(map(len, steps)) == 4


@pytest.mark.parametrize("method", ["uniform", "fair"])
def test_what_is_not_varied_stays_at_its_largest(method):
    made = choices(ENTRIES, vary=("depth",))
    networks = [drawn(made, method, 0, step)[0] for step in range(12)]
    assert {one.extra_layers["layer1"] for one in networks} == {0, 1, 2}
    assert {(one.prep, one.layer1, one.ks["layer1"], one.res_layers) for one in networks} == {
        (4, 8, 5, ("layer1", "layer3"))
    }


def test_activation_of_four_widths_and_up_to_three_extra_layers():
    """Block j of 4 with (5 - j) / 4, extra layer k with 1 - k / 4."""
    p = activation(choices(FOUR), 10)
    np.testing.assert_allclose(p["prep/bn/weight"], [1, 0.75, 0.5, 0.25])
    np.testing.assert_allclose(p["layer1/bn/bias"], np.repeat([1, 0.75, 0.5, 0.25], 2))
    np.testing.assert_allclose(p["layer1/conv/weight"][:, :, 1, 1], np.outer(p["layer1/bn/bias"], p["prep/bn/bias"]))
    for k, name in enumerate(("extra", "extra_1", "extra_2"), 1):
        assert (p[f"layer2/{name}/conv/weight"] == 1 - k / 4).all()
    assert (p["linear/weight"] == 1).all()


def test_activation_of_a_kernel():
    p = activation(choices({"ks.layer1": {"_type": "choice", "_value": [3, 5]}}), 10)["layer1/conv/weight"][0, 0]
    expected = np.full((5, 5), 0.5)
    expected[1:4, 1:4] = 1
    np.testing.assert_allclose(p, expected)


def test_rates_are_the_inverse_or_its_root():
    made = choices(FOUR)
    assert activation_rates(made, 10, "equal") is None
    np.testing.assert_allclose(activation_rates(made, 10, "inverse")["prep/bn/weight"], [1, 4 / 3, 2, 4])
    np.testing.assert_allclose(
        activation_rates(made, 10, "sqrt")["prep/bn/weight"], np.sqrt([1, 4 / 3, 2, 4]), rtol=1e-6
    )


def test_weights_that_no_drawn_network_has_count_as_the_rarest(monkeypatch):
    made = choices(FOUR)
    chances = {"prep/bn/weight": torch.tensor([1.0, 0.5, 0.25, 0.0])}
    monkeypatch.setattr("fastcifar.supernet.rates.activation", lambda *_: chances)
    np.testing.assert_allclose(activation_rates(made, 10, "inverse")["prep/bn/weight"], [1, 2, 4, 1024])


def test_rates_reach_the_weights():
    images, labels = batch()
    steps = []
    for rates in ("equal", "inverse"):
        made = supernet(WIDTHS)
        before = made.shared["layer2/conv/weight"].detach().clone()
        member = made.member(made.choices.full)
        gradients(made, [member], images, labels, 0.0, False)
        update(made, [member], 0.01, activation_rates(made.choices, 10, rates))
        steps.append((made.shared["layer2/conv/weight"] - before).detach())
    ratio = torch.ones(8, 8)
    ratio[4:] *= 2
    ratio[:, 4:] *= 2
    torch.testing.assert_close(steps[1], steps[0] * ratio[:, :, None, None], rtol=1e-4, atol=1e-7)


def test_wrong_names():
    with pytest.raises(ValueError, match=r"--method: 'sandwitch' is not known.*sandwich"):
        plan(method="sandwitch")
    with pytest.raises(ValueError, match=r"--rates: 'sqr' is not known.*sqrt"):
        plan(rates="sqr")
    with pytest.raises(ValueError, match=r"--rates: sandwich trains every weight at every step"):
        plan(method="sandwich", rates="sqrt")
