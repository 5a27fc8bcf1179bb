"""Measured statistics against those of all values at once."""

import pytest
import torch
from torch import nn

from fastcifar.net import BatchNorm, calibrate, fuse
from fastcifar.net.graph import build_graph
from fastcifar.net.network import run_graph

EQUAL, UNEQUAL, ONE = (32, 32, 32), (7, 64, 2, 19), (96,)
SIZES = pytest.mark.parametrize("sizes", [EQUAL, UNEQUAL, ONE], ids=["equal", "unequal", "one"])
SHAPES = {"1d": (nn.BatchNorm1d, ()), "sequence": (nn.BatchNorm1d, (5,)), "2d": (nn.BatchNorm2d, (4, 3))}


def batches(sizes, shape=(), channels=4):
    """Batches that differ in mean and spread, as those of a sorted dataset do."""
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(size, channels, *shape, generator=generator) * (1 + number) + 3 * number - 2
        for number, size in enumerate(sizes)
    ]


def at_once(values):
    """Mean and unbiased variance of each channel of (N, C, ...), over all batches together."""
    whole = torch.cat([value.transpose(0, 1).flatten(1) for value in values], 1).double()
    return whole.mean(1).float(), whole.var(1).float()


def check(norm, values):
    mean, variance = at_once(values)
    torch.testing.assert_close(norm.running_mean, mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(norm.running_var, variance, rtol=1e-5, atol=1e-6)


@SIZES
@pytest.mark.parametrize("kind", SHAPES)
def test_they_are_those_of_all_values_at_once(kind, sizes):
    made, shape = SHAPES[kind]
    norm, values = made(4), batches(sizes, shape)
    norm.running_mean.fill_(float("nan"))  # what was there before does not count
    calibrate(norm, norm, values)
    check(norm, values)
    normalised = torch.cat([norm(value) for value in values]).transpose(0, 1).flatten(1)
    torch.testing.assert_close(normalised.mean(1), torch.zeros(4), rtol=0, atol=1e-5)
    torch.testing.assert_close(normalised.std(1), torch.ones(4), rtol=0, atol=1e-4)


@SIZES
def test_they_are_the_same_in_the_kernels_of_a_cpu(sizes):
    norm = BatchNorm(16)
    network = build_graph({"input": (None, []), "bn": norm, "relu": nn.ReLU()})
    graph, values = fuse(network), batches(sizes, (6, 6), 16)
    assert "bn" not in graph  # it is one operation with its activation
    calibrate(norm, lambda x: run_graph(graph, {"input": x}), values)
    check(norm, values)


def test_one_batch_leaves_the_statistics_that_training_on_it_has():
    """To the last bit: what one batch measures has no rounding of its own."""
    (values,) = batches((48,), (7, 5))
    norm, trained = nn.BatchNorm2d(4), nn.BatchNorm2d(4, momentum=1.0)
    calibrate(norm, norm, [values])
    trained(values)
    assert torch.equal(norm.running_mean, trained.running_mean) and torch.equal(norm.running_var, trained.running_var)


def test_a_norm_that_is_used_twice_has_the_statistics_of_both_uses():
    norm, values = nn.BatchNorm1d(4), batches(UNEQUAL)
    calibrate(norm, lambda x: norm(2 * norm(x) + 1), values)
    second = [2 * nn.functional.batch_norm(x, None, None, training=True) + 1 for x in values]
    check(norm, [*values, *second])


def test_only_the_statistics_change():
    """Dropout is off, the momenta stay, and norms without statistics, or that are not run, keep theirs."""
    idle, without = nn.BatchNorm1d(4), nn.BatchNorm1d(4, track_running_stats=False)
    network = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(4, momentum=None), without)
    network.idle = idle
    values = batches(EQUAL)
    calibrate(network, lambda x: network[2](network[1](network[0](x))), values)
    check(network[1], values)
    assert (network[1].momentum, idle.momentum, without.running_mean) == (None, 0.1, None)
    assert torch.equal(idle.running_mean, torch.zeros(4)) and torch.equal(idle.running_var, torch.ones(4))
    assert not any(module.training for module in network.modules())
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_a_forward_pass_that_fails_leaves_momentum_and_hooks_alone():
    norm = nn.BatchNorm1d(4)
    with pytest.raises(ValueError, match="expected 2D or 3D"):
        calibrate(norm, norm, [torch.zeros(3)])
    assert norm.momentum == 0.1 and not norm._forward_pre_hooks
