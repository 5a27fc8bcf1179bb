"""ResNet-9 of davidcpage/cifar10-fast (`dawn_utils.py`) with the extensions of the notes: extra blocks and kernels."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from torch import nn

from fastcifar.checks import Checks
from fastcifar.net.blocks import GlobalMaxPool, Style, WhitenConv, conv_bn, residual
from fastcifar.net.network import Flatten, Mul

LAYERS = ("prep", "layer1", "layer2", "layer3")
CHANNELS = {"prep": 64, "layer1": 128, "layer2": 256, "layer3": 512}
EXTRA = ("extra", "extra_1", "extra_2", "extra_3")  # names of a layer's extra blocks
MAX_EXTRA = len(EXTRA)
CHECK = Checks(ValueError)
_at_least_1 = CHECK.integer(1)


def resnet9(
    channels: Mapping[str, int] | None = None,
    extra_layers: Mapping[str, int] | Iterable[str] = (),
    res_layers: Iterable[str] = ("layer1", "layer3"),
    ks: int | Mapping[str, int] = 3,
    num_classes: int = 10,
    logits_weight: float = 0.125,
    leave_out: Iterable[str] = (),
    *,
    extra_widths: Mapping[str, int] = MappingProxyType({}),
    style: Style = Style(),  # noqa: B008  frozen
    whiten: int = 0,
    any_size: bool = False,
) -> dict[str, Any]:
    """Describe a ResNet-9 as a nested dict for `build_graph` and `Network`; images are (N, 3, 32, 32).

    channels: output channels of `prep`, `layer1`, `layer2`, `layer3`; a layer not named keeps 64, 128, 256, 512.
    extra_layers: conv-bn-relu blocks added at the end of a layer, `{"layer1": 2}`, at most 4; a list of layers means
        one block each. They are named as in EXTRA.
    res_layers: layers that carry a residual pair, before their extra blocks.
    ks: kernel size, 3 or 5, of all layers or by layer (the others keep 3).
    logits_weight: factor of the logits.
    leave_out: paths of optional blocks that are skipped, e.g. `prep/extra` or `layer1/residual`; the block after a
        skipped one takes the output of the block before it.
    extra_widths: output channels of extra blocks by path, `{"layer1/extra": 64}`; the others have their layer's. A
        width of a block that does not exist has no effect.
    style: activation, place of the pooling, batch norms.
    whiten: 3 adds a convolution that whitens patches of 3 x 3 before `prep`, and the first convolution of `prep` is
        then 1 x 1; 0 adds none.
    any_size: the last pooling takes the maximum of all pixels, for images with other sides than 32.

    Raises ValueError for an unknown layer or block and for a number out of range.
    """
    widths = {**CHANNELS, **_by_layer("channels", channels or {})}
    for layer, width in widths.items():
        _at_least_1(f"channels of {layer}", width)
    extra = dict(extra_layers) if isinstance(extra_layers, Mapping) else dict.fromkeys(extra_layers, 1)
    for layer, count in _by_layer("extra_layers", extra).items():
        CHECK.integer(0, MAX_EXTRA)(f"extra_layers of {layer}", count)
    residual_layers = _by_layer("res_layers", dict.fromkeys(res_layers, 1))
    kernels = (
        {**dict.fromkeys(LAYERS, 3), **_by_layer("ks", ks)} if isinstance(ks, Mapping) else dict.fromkeys(LAYERS, ks)
    )
    for layer, kernel in kernels.items():
        if kernel not in (3, 5):
            raise ValueError(f"ks of {layer}: a kernel is 3 or 5 wide, not {kernel!r}")
    for path, width in extra_widths.items():
        _check_extra(path)
        _at_least_1(f"extra_widths of {path}", width)
    CHECK.integer(2)("num_classes", num_classes)

    optional = [f"{layer}/residual" for layer in residual_layers]
    optional += [f"{layer}/{name}" for layer in LAYERS for name in EXTRA[: extra.get(layer, 0)]]
    for path in (left_out := tuple(leave_out)):
        if path not in optional:
            have = ", ".join(optional) or "none"
            raise ValueError(f"leave_out: {path!r} is no optional block of this network; it has: {have}")

    net: dict[str, Any] = {"input": (None, [])}
    width_in = 3
    if whiten:
        if whiten != 3:
            raise ValueError(f"whiten: resnet9 whitens patches 3 pixels wide, or 0 for none, not {whiten!r}")
        net["whiten"] = WhitenConv(whiten, padding=1)
        width_in = net["whiten"].out_channels
    for layer in LAYERS:
        width, kernel = widths[layer], kernels[layer]
        first = 1 if whiten and layer == "prep" else kernel
        block = conv_bn(width_in, width, first, style, pool=layer != "prep")
        if layer in residual_layers and f"{layer}/residual" not in left_out:
            block["residual"] = residual(width, kernel, style)
        net[layer] = block
        width_in = width
        for name in EXTRA[: extra.get(layer, 0)]:
            if f"{layer}/{name}" in left_out:
                continue
            width = extra_widths.get(f"{layer}/{name}", widths[layer])
            block[name] = conv_bn(width_in, width, kernel, style)
            width_in = width
    net["pool"] = GlobalMaxPool() if any_size else nn.MaxPool2d(4)
    net["flatten"] = Flatten()
    net["linear"] = nn.Linear(width_in, num_classes, bias=False)
    net["logits"] = Mul(logits_weight)
    return net


def _by_layer(field: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
    for layer in values:
        if layer not in LAYERS:
            raise ValueError(f"{field}: there is no layer {layer!r}; the layers are {', '.join(LAYERS)}")
    return values


def _check_extra(path: str) -> None:
    layer, _, name = path.partition("/")
    if layer not in LAYERS or name not in EXTRA:
        raise ValueError(f"extra_widths: {path!r} is no extra block; they are named like layer1/extra, layer1/extra_1")
