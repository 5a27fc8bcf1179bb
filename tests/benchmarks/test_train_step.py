import argparse

import ceilings
import pytest
import torch
import train_step

from fastcifar.net import as_graph, resnet9
from fastcifar.train import Recipe

CPU = torch.device("cpu")


def test_flops_of_a_step() -> None:
    """By hand: 2 x kernel x channels in x channels out x pixels each, three times, but twice for the first."""
    graph = as_graph(resnet9({"prep": 2, "layer1": 3, "layer2": 4, "layer3": 5}, res_layers=()))
    first = 2 * 9 * 3 * 2 * 32 * 32
    rest = 2 * 9 * (2 * 3 * 32 * 32 + 3 * 4 * 16 * 16 + 4 * 5 * 8 * 8) + 2 * 5 * 10
    assert ceilings.step_flops(graph, 7) == 7 * (2 * first + 3 * rest)


def test_the_first_convolution_has_no_input_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "BLOCK_SECONDS", 0)
    graph = as_graph(resnet9({"prep": 2, "layer1": 3, "layer2": 4, "layer3": 5}, res_layers=()))
    costs = ceilings.convolutions(graph, 2, CPU, torch.float32)
    assert [cost.path for cost in costs] == ["prep/conv", "layer1/conv", "layer2/conv", "layer3/conv"]
    assert [cost.input_gradient is None for cost in costs] == [True, False, False, False]


def test_plain_and_ours(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "BLOCK_SECONDS", 0)
    monkeypatch.setattr(ceilings, "COPY_BYTES", 1 << 20)
    monkeypatch.setitem(ceilings.SIDE, "cpu", 64)
    monkeypatch.setattr(train_step, "keep_memory", lambda: None)  # this process is not the program's
    rows = []
    for variant in (train_step.VARIANTS["cpu"][0], train_step.VARIANTS["cpu"][3]):
        row = train_step.measure(recipe, variant, CPU, 4, 1)
        assert row["peak_memory_bytes"] > 1 << 20 and row["share_of_convolutions"] > 0
        rows.append({"network": "small", "variant": variant.name, **row})
    machine = {"device": "d", "threads": 1, "instructions": "i", "versions": {"torch": "t"}, "code": "c"}
    text = train_step.report(rows, machine, argparse.Namespace(batch_size=4, rounds=1, steps=1))
    assert "| plain fp32 |" in text and "| eager bf16 |" in text
