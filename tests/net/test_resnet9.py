from typing import Any

import pytest
from torch import nn

from fastcifar.net import build_graph, path_iter, resnet9

TINY = {"prep": 4, "layer1": 6, "layer2": 8, "layer3": 10}
CONV_BN = ("conv", "bn", "relu")


def paths(**arguments: Any) -> list[str]:
    return [path for path, _ in path_iter(resnet9(TINY, **arguments))]


def convs(**arguments: Any) -> dict[str, nn.Conv2d]:
    return {path: leaf for path, leaf in path_iter(resnet9(TINY, **arguments)) if isinstance(leaf, nn.Conv2d)}


def test_default_is_cifar10_fast_s_network() -> None:
    leaves = dict(path_iter(resnet9()))
    widths = {path: (leaf.in_channels, leaf.out_channels) for path, leaf in leaves.items() if type(leaf) is nn.Conv2d}
    assert widths == {
        "prep/conv": (3, 64),
        "layer1/conv": (64, 128),
        "layer1/residual/res1/conv": (128, 128),
        "layer1/residual/res2/conv": (128, 128),
        "layer2/conv": (128, 256),
        "layer3/conv": (256, 512),
        "layer3/residual/res1/conv": (512, 512),
        "layer3/residual/res2/conv": (512, 512),
    }
    assert leaves["logits"].weight == 0.125 and leaves["linear"].out_features == 10


def test_channels_not_named_keep_their_default() -> None:
    leaves = dict(path_iter(resnet9({"layer2": 8})))
    assert [leaves[f"{layer}/conv"].out_channels for layer in ("prep", "layer1", "layer2", "layer3")] == [
        *(64, 128, 8, 512)
    ]


def test_extra_blocks_are_named_and_come_after_the_residual_pair() -> None:
    names = [path.removeprefix("layer2/") for path in paths(extra_layers={"layer2": 4}, res_layers=("layer2",))]
    first = names.index("pool") + 1
    residual = ["in", *(f"{res}/{op}" for res in ("res1", "res2") for op in CONV_BN), "add"]
    extras = [f"{extra}/{op}" for extra in ("extra", "extra_1", "extra_2", "extra_3") for op in CONV_BN]
    expected = [f"residual/{name}" for name in residual] + extras
    assert names[first : first + len(expected) + 1] == [*expected, "layer3/conv"]


def test_a_list_of_layers_means_one_extra_block_each() -> None:
    listed = paths(extra_layers=("layer1", "layer3"))
    assert listed == paths(extra_layers={"layer1": 1, "layer3": 1, "prep": 0})
    assert [path for path in listed if "extra" in path and "conv" in path] == [
        "layer1/extra/conv",
        "layer3/extra/conv",
    ]


def test_kernels_by_layer_hold_for_all_of_its_blocks() -> None:
    kernels = {path: conv.kernel_size for path, conv in convs(ks={"layer1": 5}, extra_layers=("layer1",)).items()}
    assert {path for path, kernel in kernels.items() if kernel == (5, 5)} == {
        *("layer1/conv", "layer1/extra/conv", "layer1/residual/res1/conv", "layer1/residual/res2/conv")
    }
    assert set(kernels.values()) == {(3, 3), (5, 5)}


def test_a_kernel_of_5_keeps_the_size_of_the_image() -> None:
    assert {(conv.kernel_size, conv.padding) for conv in convs(ks=5).values()} == {((5, 5), (2, 2))}


def test_leave_out_wires_what_follows_to_what_came_before() -> None:
    arguments: dict[str, Any] = {"extra_layers": {"prep": 2, "layer1": 1}, "res_layers": ("layer1",)}

    def inputs(*leave_out: str) -> dict[str, list[str]]:
        graph = build_graph(resnet9(TINY, **arguments, leave_out=leave_out))
        return {path: sources for path, (_, sources) in graph.items()}

    assert inputs()["layer1/conv"] == ["prep/extra_1/relu"]
    assert inputs("prep/extra")["prep/extra_1/conv"] == ["prep/relu"]
    assert inputs("prep/extra", "prep/extra_1")["layer1/conv"] == ["prep/relu"]
    assert inputs("layer1/residual")["layer1/extra/conv"] == ["layer1/pool"]
    assert not any("residual" in path for path in inputs("layer1/residual"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": {"layer4": 8}}, "channels: there is no layer 'layer4'; the layers are prep, layer1"),
        ({"channels": {"prep": 0}}, "channels of prep: a whole number at least 1 is needed, not 0"),
        ({"channels": {"prep": 64.0}}, "channels of prep: .* not 64.0"),
        ({"channels": {"prep": True}}, "channels of prep: .* not True"),
        ({"extra_layers": ("layer9",)}, "extra_layers: there is no layer 'layer9'"),
        (
            {"extra_layers": {"layer1": 5}},
            "layer1: a whole number at least 0 and at most 4 is needed, not 5",
        ),
        ({"extra_layers": {"layer1": -1}}, "extra_layers of layer1: .* not -1"),
        ({"res_layers": ("layer0",)}, "res_layers: there is no layer 'layer0'"),
        ({"ks": 4}, "ks of prep: a kernel is 3 or 5 wide, not 4"),
        ({"ks": {"layer2": 7}}, "ks of layer2: .* not 7"),
        ({"ks": {"layer": 3}}, "ks: there is no layer 'layer'"),
        ({"num_classes": 1}, "num_classes: a whole number at least 2 is needed, not 1"),
        ({"leave_out": ("layer1/conv",)}, "'layer1/conv' is no optional block .* layer1/residual, layer3/residual"),
        ({"leave_out": ("layer1/extra",)}, "'layer1/extra' is no optional block"),
        ({"leave_out": ("pool",), "res_layers": ()}, "'pool' is no optional block of this network; it has: none"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resnet9(**arguments)
