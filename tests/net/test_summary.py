import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fastcifar.net import Flatten, Network, build_graph, convert, count_flops, resnet9, summary, trace
from fastcifar.net.resnet9 import LAYERS

TINY = {"prep": 16, "layer1": 28, "layer2": 64, "layer3": 96}
NETWORKS: dict[str, dict[str, Any]] = {
    "default": {},
    "tiny": {"channels": TINY},
    "ks5": {"channels": TINY, "ks": 5},
    "all": {"channels": TINY, "extra_layers": dict.fromkeys(LAYERS, 4), "res_layers": LAYERS, "num_classes": 100},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_totals_agree_with_torch_on_a_real_image(name: str) -> None:
    network = Network(resnet9(**NETWORKS[name])).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network({"input": torch.zeros(1, 3, 32, 32)})
    table = summary(network)
    assert table.flops == count_flops(network) == counter.get_total_flops()
    assert table.parameters == sum(p.numel() for p in network.parameters())


def test_rows_of_the_default_network_worked_out_by_hand() -> None:
    table = summary(resnet9())
    rows = {row.path: row[1:] for row in table.rows}
    assert rows["input"] == ("input", (1, 3, 32, 32), 0, 0)
    assert rows["prep/conv"] == ("Conv2d", (1, 64, 32, 32), 3 * 3 * 3 * 64, 2 * 3 * 3 * 3 * 64 * 32 * 32)
    assert rows["prep/bn"] == ("BatchNorm", (1, 64, 32, 32), 2 * 64, 0)
    assert rows["layer1/residual/in"] == ("Identity", (1, 128, 16, 16), 0, 0)
    assert rows["layer3/conv"] == ("Conv2d", (1, 512, 8, 8), 3 * 3 * 256 * 512, 2 * 3 * 3 * 256 * 512 * 8 * 8)
    assert rows["flatten"] == ("Flatten", (1, 512), 0, 0)
    assert rows["linear"] == ("Linear", (1, 10), 5120, 2 * 5120)
    assert [row.path for row in table.rows] == list(build_graph(resnet9()))
    assert (table.parameters, table.flops) == (6_573_120, 758_523_904)


def test_a_batch_of_8_costs_8_times_as_much() -> None:
    assert count_flops(resnet9(TINY), (8, 3, 32, 32)) == 8 * count_flops(resnet9(TINY))


def test_the_network_stays_as_it_is() -> None:
    network = Network(resnet9(TINY))
    network.get_submodule("layer1_bn").eval()
    before = copy.deepcopy(network.state_dict())
    modes = [module.training for module in network.modules()]
    summary(network)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(p.grad is None and p.device.type == "cpu" for p in network.parameters())
    assert [module.training for module in network.modules()] == modes and len(set(modes)) == 2


def test_a_network_in_half_precision_is_counted_alike() -> None:
    network = Network({"input": (None, []), "conv": nn.Conv2d(3, 4, 3), "bn": nn.BatchNorm2d(4), "act": nn.PReLU()})
    before = summary(network).rows
    convert(network, torch.float16, torch.float32)
    assert summary(network).rows == before


def test_nothing_is_computed() -> None:
    # The activations of this batch would take terabytes, and its FLOPs a day.
    assert count_flops(resnet9(TINY), (100_000_000, 3, 32, 32)) == 10**8 * count_flops(resnet9(TINY))


class Grouped(nn.Module):
    """A convolution inside of a node, by the functional form: what no table of layer types would see."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(6, 1, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x, self.weight, groups=3)


def test_nested_strided_grouped_and_biased_layers() -> None:
    rows = summary(
        {
            "input": (None, []),
            "grouped": Grouped(),
            "block": nn.Sequential(nn.Conv2d(6, 5, 3, stride=2, padding=1), nn.BatchNorm2d(5), nn.AvgPool2d(4)),
            "double": lambda x: 2 * x,
            "flatten": Flatten(),
            "linear": nn.Linear(5, 7),
        },
        (1, 3, 10, 10),
    ).rows
    assert [row[2:] for row in rows] == [
        ((1, 3, 10, 10), 0, 0),
        ((1, 6, 8, 8), 54, 2 * 9 * 6 * 8 * 8),
        ((1, 5, 1, 1), 6 * 5 * 9 + 5 + 2 * 5, 2 * 9 * 6 * 5 * 4 * 4),
        ((1, 5, 1, 1), 0, 0),
        ((1, 5), 0, 0),
        ((1, 7), 5 * 7 + 7, 2 * 5 * 7),
    ]
    assert [row.operation for row in rows] == ["input", "Grouped", "Sequential", "<lambda>", "Flatten", "Linear"]


def test_shared_weights_are_counted_once_and_their_flops_each_time() -> None:
    conv = nn.Conv2d(3, 3, 1, bias=False)
    table = summary({"input": (None, []), "a": conv, "b": conv})
    assert [row.parameters for row in table.rows] == [0, 9, 0]
    assert table.flops == 2 * 2 * 9 * 32 * 32


def test_batch_norm_of_one_pixel_in_training_mode() -> None:
    net = {"input": (None, []), "pool": nn.AdaptiveAvgPool2d(1), "bn": nn.BatchNorm2d(3)}
    assert trace(build_graph(net))["bn"].shape == (1, 3, 1, 1)


def test_table_and_frame() -> None:
    table = summary({"input": (None, []), "flat": nn.Flatten(), "linear": nn.Linear(3072, 1000)})
    assert str(table).splitlines() == [
        "node    operation  output shape    parameters      FLOPs",
        "------  ---------  --------------  ----------  ---------",
        "input   input      (1, 3, 32, 32)           0          0",
        "flat    Flatten    (1, 3072)                0          0",
        "linear  Linear     (1, 1000)        3,073,000  6,144,000",
        "------  ---------  --------------  ----------  ---------",
        "total                               3,073,000  6,144,000",
    ]
    frame = table.to_frame()
    assert list(frame.columns) == ["path", "operation", "shape", "parameters", "flops"]
    assert list(frame.iloc[-1]) == ["linear", "Linear", (1, 1000), 3_073_000, 6_144_000]


@pytest.mark.parametrize(
    ("net", "shape", "message"),
    [
        (resnet9(TINY), (1, 1, 32, 32), r"node 'prep/conv': Conv2d cannot take \(1, 1, 32, 32\)"),
        (resnet9(TINY), (1, 3, 16, 16), r"node 'pool': MaxPool2d cannot take \(1, 96, 2, 2\)"),
        (resnet9(TINY), (0, 3, 32, 32), r"input_shape: whole numbers above 0 are needed, not \(0, 3, 32, 32\)"),
        ({"input": (None, []), "a": lambda x: [x]}, (1,), "node 'a': its output is a list, not a tensor"),
        (nn.ReLU(), (1,), "a network is a nested dict, a Network or the graph"),
    ],
)
def test_what_cannot_be_measured_is_named(net: Any, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        summary(net, shape)
