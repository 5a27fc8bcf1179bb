import pytest
import torch
from torch import nn

from fastcifar.net import Network, Style, WhitenConv, build_graph, fuse, resnet9, run_graph, speednet, summary

WIDTHS = {"layer1": 16, "layer2": 20, "layer3": 24}


def test_it_has_the_size_of_airbench94():
    found = summary(speednet())
    assert found.parameters == 1_972_792  # that of airbench94_muon.py
    shapes = {row.path: row.shape[1:] for row in found.rows}
    assert shapes["whiten/conv"] == (24, 31, 31) and shapes["layer1/pool"] == (64, 15, 15)
    assert shapes["layer3/second/gelu"] == (256, 3, 3) and shapes["logits"] == (10,)


def test_order_of_a_group():
    def group(**arguments: object) -> list[str]:
        paths = build_graph(speednet(WIDTHS, **arguments))  # type: ignore[arg-type]
        return [path.removeprefix("layer1/") for path in paths if path.startswith("layer1/")]

    assert group() == ["conv", "pool", "bn", "gelu", "second/conv", "second/bn", "second/gelu"]
    late = Style(activation="silu")
    assert group(style=late) == ["conv", "bn", "silu", "pool", "second/conv", "second/bn", "second/silu"]
    assert group(convs=3)[-4:] == ["third/conv", "third/bn", "add", "out"]


def test_the_residual_of_three_convolutions():
    torch.manual_seed(0)
    network = Network(speednet(WIDTHS, convs=3)).eval()
    with torch.no_grad():
        outputs = network({"input": torch.rand(2, 3, 32, 32)})
    expected = nn.functional.gelu(outputs["layer2/gelu"] + outputs["layer2/third/bn"])
    torch.testing.assert_close(outputs["layer2/out"], expected)


@pytest.mark.parametrize("side", [16, 24, 28, 32])
@pytest.mark.parametrize("whiten", [0, 2, 3])
def test_any_side_and_its_fused_twin(side: int, whiten: int) -> None:
    torch.manual_seed(0)
    network = Network(speednet(WIDTHS, whiten=whiten)).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.rand(2, 3, side, side).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        plain = network({"input": images})["logits"]
        fused = run_graph(fuse(network.graph), {"input": images})["logits"]
    assert plain.shape == (2, 10)
    torch.testing.assert_close(fused, plain, atol=1e-6, rtol=1e-4)


def test_what_is_frozen():
    network = Network(speednet(WIDTHS))
    frozen = {path for path, weight in network.path_parameters() if not weight.requires_grad}
    assert "whiten/conv/weight" in frozen and "whiten/conv/bias" not in frozen
    assert len(frozen) == 1 + 6 and all(path.endswith("bn/weight") for path in frozen - {"whiten/conv/weight"})


def test_resnet9_takes_the_style_too():
    graph = build_graph(resnet9(style=Style(activation="gelu", pool_first=True), whiten=3, any_size=True))
    paths = list(graph)
    assert paths[1:5] == ["whiten", "prep/conv", "prep/bn", "prep/gelu"]
    assert paths.index("layer1/pool") < paths.index("layer1/bn") and "layer1/residual/res2/gelu" in paths
    assert isinstance(graph["whiten"][0], WhitenConv) and graph["prep/conv"][0].kernel_size == (1, 1)
    wide = build_graph(resnet9(whiten=3, ks=5, extra_layers={"prep": 1}))
    assert wide["prep/conv"][0].kernel_size == (1, 1) and wide["prep/extra/conv"][0].kernel_size == (5, 5)
    logits = Network(resnet9({"prep": 4, "layer1": 4, "layer2": 4, "layer3": 4}, any_size=True, whiten=3))(
        {"input": torch.rand(2, 3, 24, 24)}
    )["logits"]
    assert logits.shape == (2, 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"whiten": 4}, "whiten: patches are 2 or 3"),
        ({"convs": 1}, "convs: a group has 2 or 3"),
        ({"channels": {"prep": 64}}, "channels: there is no group 'prep'; the groups are layer1"),
    ],
)
def test_bad_arguments(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        speednet(**arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="resnet9 whitens patches 3"):
        resnet9(whiten=2)
    with pytest.raises(ValueError, match="activation: 'tanh' is none of"):
        Style(activation="tanh")
