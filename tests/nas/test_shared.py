"""Weights that samples share: each its part, and a step of a part."""

import pytest
import torch
import torch.nn.functional as F
from wrapped import wrapped

import fastcifar.nas.nn as nn
from fastcifar.nas import model_wrapper, space_of
from fastcifar.nas.shared import SharedWeights, keyed_parameters
from fastcifar.nas.strategy import SinglePath
from fastcifar.net import calibrate


@model_wrapper
class Small(nn.Module):
    def __init__(self):
        super().__init__()
        width = nn.ValueChoice([2, 4], label="width")
        kernel = nn.ValueChoice([3, 5], label="kernel")
        self.conv = nn.Conv2d(1, width, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.act = nn.LayerChoice([nn.Conv2d(width, 3, 1), nn.Conv2d(width, 3, 1, bias=False)], label="act")
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.act(F.relu(self.norm(self.conv(x)))).mean((2, 3)))


def shared():
    return SharedWeights(space_of(Small()), torch.device("cpu"))


LARGE = {"width": 4, "kernel": 5, "act": "0"}
SMALL = {"width": 2, "kernel": 3, "act": "0"}


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(8, 1, 6, 6, generator=generator), torch.randint(0, 2, (8,), generator=generator)


def test_a_smaller_network_has_the_first_channels_and_the_middle_of_the_kernel():
    for order in ((LARGE, SMALL), (SMALL, LARGE)):  # the weights grow, or are there
        made = shared()
        for sample in order:
            made.network(sample)
        large, small = made.network(LARGE), made.network(SMALL)
        assert torch.equal(large.conv.weight[:2, :, 1:4, 1:4], small.conv.weight)
        assert torch.equal(large.act.weight[:, :2], small.act.weight)
        assert torch.equal(large.norm.weight[:2], small.norm.weight)
        assert torch.equal(large.head.weight, small.head.weight)
        assert large.conv.weight.data_ptr() != large.conv.weight.clone().data_ptr()
    keys = [key for key, _, _ in keyed_parameters(made.network(SMALL))]
    assert "act.weight act=0" in keys and "conv.weight" in keys


def test_options_of_a_layer_share_nothing():
    made = shared()
    one, other = made.network(SMALL), made.network({**SMALL, "act": "1"})
    assert not torch.equal(one.act.weight, other.act.weight) and other.act.bias is None
    assert one.conv.weight.data_ptr() == other.conv.weight.data_ptr()


def test_what_grows_keeps_what_was_learned():
    made = shared()
    small = made.network(SMALL)
    images, labels = batch()
    F.cross_entropy(small(images), labels).backward()
    made.step(small, 0.1)
    learned = small.conv.weight.detach().clone()
    assert torch.equal(made.network(LARGE).conv.weight[:2, :, 1:4, 1:4], learned)


def test_a_step_is_adams_and_leaves_the_rest_alone():
    made = shared()
    made.network(LARGE)
    alone = made.network(SMALL)
    for parameter in alone.parameters():
        parameter.data = parameter.data.clone()
    optimizer = torch.optim.Adam(alone.parameters(), lr=0.05)
    before = {key: weight.clone() for key, weight in made.weights.items()}
    for seed in range(3):
        images, labels = batch(seed)
        network = made.network(SMALL)
        for one in (network, alone):
            one.zero_grad()
            F.cross_entropy(one(images), labels).backward()
        made.step(network, 0.05)
        optimizer.step()
    for (_, _, mine), theirs in zip(keyed_parameters(network), alone.parameters(), strict=True):
        torch.testing.assert_close(mine.detach(), theirs.detach(), rtol=1e-4, atol=1e-5)
    changed = made.weights["conv.weight"] != before["conv.weight"]
    assert changed[:2, :, 1:4, 1:4].all() and changed.sum() == 2 * 9


@pytest.mark.parametrize(
    ("construct", "named"),
    [
        (lambda self: setattr(self, "a", nn.GRU(4, nn.ValueChoice([2, 4]))), "a.weight_ih_l0: .* of a GRU"),
        (lambda self: setattr(self, "a", nn.MultiheadAttention(nn.ValueChoice([2, 4]), 1)), "of a MultiheadAttention"),
        (
            lambda self: setattr(self, "a", nn.Conv2d(nn.ValueChoice([4, 8]), 8, 3, groups=2)),
            "a.weight: .* of a Conv2d",
        ),
        (lambda self: setattr(self, "a", nn.Parameter(torch.zeros(1, nn.ValueChoice([2, 4])))), "a: .* of a Made"),
        (lambda self: setattr(self, "a", nn.LazyLinear(nn.ValueChoice([2, 4]))), "a.weight: .* a lazy module"),
        (
            lambda self: self.register_buffer("a", torch.zeros(nn.ValueChoice([2, 4]))),
            "a: .* a buffer of another shape",
        ),
    ],
    ids=["GRU", "attention", "groups", "own parameter", "lazy", "buffer"],
)
def test_layers_whose_first_channels_are_no_smaller_layer_are_refused(construct, named):
    with pytest.raises(ValueError, match=named):
        SinglePath().check(wrapped(construct))


def test_random_buffers_stay_what_they_are():
    made = SharedWeights(
        wrapped(lambda self: self.register_buffer("b", torch.randn(3) + nn.ValueChoice([0, 1]))), torch.device("cpu")
    )
    assert torch.equal(made.network({"model_1": 0}).b, made.network({"model_1": 1}).b)


def test_depthwise_convolutions_share():
    def construct(self):
        width = nn.ValueChoice([2, 4])
        self.a = nn.Conv2d(width, width, 3, groups=width)

    made = SharedWeights(wrapped(construct), torch.device("cpu"))
    large, small = made.network({"model_1": 4}), made.network({"model_1": 2})
    assert torch.equal(large.a.weight[:2], small.a.weight)


def test_what_is_new_is_not_zero():
    def construct(self):
        self.a = nn.Linear(nn.ValueChoice([2, 4]), nn.ValueChoice([2, 4]))

    made = SharedWeights(wrapped(construct), torch.device("cpu"))
    for sample in ({"model_1": 2, "model_2": 4}, {"model_1": 4, "model_2": 2}):
        made.network(sample)
    assert (made.network({"model_1": 4, "model_2": 4}).a.weight != 0).all()


def test_a_choice_within_a_choice_has_weights_of_its_own():
    def construct(self):
        inner = nn.LayerChoice([nn.Linear(2, 2), nn.Linear(2, 2)], label="inner")
        self.a = nn.LayerChoice([inner, nn.Linear(2, 2)], label="outer")

    made = SharedWeights(wrapped(construct), torch.device("cpu"))
    networks = [made.network({"outer": o, "inner": i}) for o, i in (("0", "0"), ("0", "1"), ("1", "0"))]
    pointers = {network.a.weight.data_ptr() for network in networks}
    assert len(pointers) == 3


def test_layers_that_cannot_share_are_named():
    @model_wrapper
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 3) if nn.ValueChoice([1, 2]) == 1 else nn.Conv2d(1, 2, 3)

    made = SharedWeights(space_of(Odd()), torch.device("cpu"))
    made.network({"model_1": 1})
    with pytest.raises(
        ValueError, match=r"layer\.weight: one-shot cannot share the weights of a .*'model_1': 2.*LayerChoice"
    ):
        made.network({"model_1": 2})


def test_statistics_are_measured_and_momentum_stays():
    network = shared().network(SMALL)
    inputs = [batch(seed)[0] for seed in range(3)]
    calibrate(network, network, inputs)
    values = [network.conv(x).detach() for x in inputs]
    torch.testing.assert_close(network.norm.running_mean, torch.stack([v.mean((0, 2, 3)) for v in values]).mean(0))
    assert network.norm.momentum == 0.1 and not network.training and not network.norm.training
