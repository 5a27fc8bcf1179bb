"""The network of the speedruns, after KellerJordan/cifar10-airbench (`airbench94_muon.py`, `airbench96.py`)."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from fastcifar.net.blocks import GlobalMaxPool, Style, WhitenConv, conv_bn
from fastcifar.net.network import Add, Flatten, Mul

GROUPS = {"layer1": 64, "layer2": 256, "layer3": 256}  # output channels
STYLE = Style(activation="gelu", pool_first=True, train_bn_scale=False, bn_momentum=0.4)


def speednet(
    channels: Mapping[str, int] | None = None,
    num_classes: int = 10,
    *,
    style: Style = STYLE,
    whiten: int = 2,
    convs: int = 2,
    logits_weight: float = 1 / 256,
) -> dict[str, Any]:
    """Describe the network as a nested dict for `build_graph` and `Network`; images are (N, 3, S, S), S from 16 to 32.

    A convolution of 24 filters over patches of 2 x 2, three groups of convolutions (pooling follows the first of each
    group), a maximum over all pixels, and a linear layer.

    channels: output channels of `layer1`, `layer2`, `layer3`; a layer not named keeps 64, 256, 256.
    whiten: side of the patches that the first convolution whitens, 2 or 3; with 0 it is an ordinary one of side 2.
    convs: convolutions per group, 2 or 3; with 3 the last two are a residual pair.
    logits_weight: factor of the logits.
    """
    if whiten not in (0, 2, 3):
        raise ValueError(f"whiten: patches are 2 or 3 pixels wide, or 0 for none, not {whiten!r}")
    if convs not in (2, 3):
        raise ValueError(f"convs: a group has 2 or 3 convolutions, not {convs!r}")
    for layer in channels or {}:
        if layer not in GROUPS:
            raise ValueError(f"channels: there is no group {layer!r}; the groups are {', '.join(GROUPS)}")
    first = WhitenConv(whiten) if whiten else nn.Conv2d(3, 24, 2)
    net: dict[str, Any] = {"input": (None, []), "whiten": {"conv": first, style.activation: style.act()}}
    width_in = first.out_channels
    for layer, width in {**GROUPS, **(channels or {})}.items():
        net[layer] = group(width_in, width, convs, style)
        width_in = width
    net["pool"] = GlobalMaxPool()
    net["flatten"] = Flatten()
    net["linear"] = nn.Linear(width_in, num_classes, bias=False)
    net["logits"] = Mul(logits_weight)
    return net


def group(width_in: int, width: int, convs: int, style: Style) -> dict[str, Any]:
    """Convolutions of one width. The first one pools; with three, the last two are a residual pair."""
    block = conv_bn(width_in, width, 3, style, pool=True)
    last = list(block)[-1]
    block["second"] = conv_bn(width, width, 3, style)
    if convs == 3:
        third = conv_bn(width, width, 3, style)
        act = third.pop(style.activation)
        block |= {"third": third, "add": (Add(), [last, "third/bn"]), "out": act}
    return block
