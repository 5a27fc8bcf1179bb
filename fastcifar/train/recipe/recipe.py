"""What decides a run but for its seed: one frozen dataclass, JSON both ways."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from fastcifar.data import FLIPS, NAMES, SIDE
from fastcifar.names import meant, nearest, short
from fastcifar.net import ACTIVATIONS, CHANNELS, EXTRA, MAX_EXTRA
from fastcifar.reading import UnreadableError, parse_json
from fastcifar.train.networks import MIN_SIDE, NETWORKS, check_network
from fastcifar.train.optim.averaging import AVERAGING
from fastcifar.train.optim.optimizer import OPTIMIZERS
from fastcifar.train.recipe.checks import Check, RecipeError, choice, mapping, number, one_of, optional, sequence, text
from fastcifar.train.step.precision import PRECISIONS
from fastcifar.train.views import VIEWS

PEAK_SHARE = 5 / 24  # of total_epoch, where peak_epoch is not given


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is built and trained. The defaults are the notes': ResNet-9 on CIFAR-10 in 24 epochs.

    Frozen; equal recipes have equal hashes. Raises RecipeError (a ValueError) for a value out of range.
    """

    dataset: str = "cifar10"
    """cifar10, cifar100 (fine labels), synthetic (10 classes) or synthetic100."""
    train_images: int | None = None
    """Train on a fixed stratified part of this many images; null is all."""
    total_epoch: int = 24
    """Passes over the training images."""
    batch_size: int = 512
    """Images per step; a last short batch is dropped."""
    peak_lr: float = None  # type: ignore[assignment]  # a number after __post_init__
    """Highest learning rate, for the mean loss of a batch; 0.4, or 1 where lr_instead is given."""
    peak_epoch: float = None  # type: ignore[assignment]
    """Epoch of the highest learning rate: linear from 0 up to it, linear down to 0 at total_epoch; 5/24 of them."""
    lr_start: float = 0.0
    """Share of the highest learning rate that the schedule begins with."""
    lr_end: float = 0.0
    """Share of the highest learning rate that the schedule ends with."""
    momentum: float = 0.9
    """Nesterov momentum."""
    base_wd: float = 5e-4
    """Weight decay, for the mean loss: a step adds base_wd * batch_size * weight to the summed gradient."""
    bias_lr: float | None = None
    """Highest learning rate of all biases, instead of peak_lr; their decay in a step stays what it is at peak_lr, but 0
    freezes them."""
    head_lr: float | None = None
    """Highest learning rate of the last layer, instead of peak_lr; its decay in a step stays what it is at peak_lr,
    but 0 freezes it."""
    optimizer: str = "sgd"
    """sgd, or muon: convolutions take orthogonalised steps and keep their norm, the rest is trained by sgd."""
    muon_lr: float = 0.24
    """Highest learning rate of Muon."""
    muon_momentum: float = 0.6
    """Nesterov momentum of Muon."""
    muon_steps: int = 3
    """Newton-Schulz iterations of Muon."""
    averaging: str = "none"
    """none; lookahead: now and then the weights go back to their running mean, less and less; tail: at the end only."""
    average_every: int = 5
    """Steps between two averages."""
    average_decay: float = 0.75
    """Weight of the old mean in the new one; lookahead's at the end of the training, from 0 at its begin."""
    tail_epochs: float = 0.5
    """Epochs before the end from which averaging `tail` runs."""
    label_smoothing: float = 0.0
    """Share of the target that is spread evenly over all classes."""
    lr_scale: Mapping[str, float] = field(default_factory=dict)
    """Path prefix -> factor of the learning rate, e.g. {"prep": 0.1}; of several prefixes the longest counts."""
    lr_instead: tuple[float, ...] | None = None
    """One learning rate per parameter tensor of the full network, in its order; the schedule then is a ratio."""
    network: str = "resnet9"
    """resnet9, or speednet: the network of the speedruns."""
    prep: int = CHANNELS["prep"]
    """Output channels of the layer prep (resnet9)."""
    layer1: int = CHANNELS["layer1"]
    """Output channels of layer1."""
    layer2: int = CHANNELS["layer2"]
    """Output channels of layer2."""
    layer3: int = CHANNELS["layer3"]
    """Output channels of layer3."""
    convs: int = 2
    """Convolutions of each layer, 2 or 3 (speednet)."""
    extra_layers: Mapping[str, int] = field(default_factory=dict)
    """Layer -> number of extra conv-bn-relu blocks, 0 to 4; a list of layers means one each (resnet9)."""
    extra_widths: Mapping[str, int] = field(default_factory=dict)
    """Output channels of extra blocks, e.g. {"layer1/extra": 64}; the others have their layer's (resnet9)."""
    res_layers: tuple[str, ...] = ("layer1", "layer3")
    """Layers with a residual pair (resnet9)."""
    ks: int | Mapping[str, int] = 3
    """Kernel size, 3 or 5, of all layers or by layer (resnet9)."""
    leave_out: tuple[str, ...] = ()
    """Optional blocks that are skipped, e.g. ["prep/extra"]; they keep their places in lr_instead (resnet9)."""
    whiten: int = 0
    """Side of the image patches that a fixed first convolution whitens: 2 or 3 (resnet9: 3); 0 is none."""
    whiten_images: int = 5000
    """Training images whose patches are measured for it."""
    whiten_epochs: int = 3
    """Epochs for which its bias is trained."""
    activation: str = "relu"
    """relu, gelu or silu."""
    pool_first: bool = False
    """Max pooling comes before the batch norm, not after the activation."""
    train_bn_scale: bool = True
    """The factors of the batch norms are trained; else they stay 1."""
    bn_momentum: float = 0.1
    """Weight of a new batch in the running statistics of the batch norms."""
    identity_init: bool = False
    """Each convolution begins as the identity on its first filters, as many as it has inputs (Dirac)."""
    logits_weight: float = 0.125
    """Factor of the logits."""
    unit_head: bool = False
    """The last layer's weights begin with the standard deviation 1; logits_weight then makes the logits small."""
    cutout: int = 8
    """Side of the square that is set to zero in each training image, in pixels; 0 is none."""
    shift: int = 4
    """Training images are padded by this many pixels (reflected) and cropped at random."""
    flip: str = "random"
    """none, random, or alternating (each image mirrored in every other epoch)."""
    brightness: float = 0.0
    """Each training image is made brighter or darker by up to this much, in standard deviations of all pixels."""
    contrast: float = 0.0
    """Each training image's values are multiplied by 1 - contrast to 1 + contrast."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Side in pixels -> epochs at the start that are trained on images made so small, e.g. {"24": 3, "28": 3}."""
    tta: str = "none"
    """Views of a test image that are averaged after the last epoch: none, flip, six, or six-unsure; see the docs."""
    tta_share: float = 0.25
    """Share of the images, those the network is least sure of, that six-unsure takes six views of; the rest two."""
    precision: str = "auto"
    """auto, half, O0, O1, O2 or O3; see the README."""

    def __post_init__(self) -> None:
        def fill(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        if self.peak_lr is None:
            fill("peak_lr", 0.4 if self.lr_instead is None else 1.0)
        for name, check in CHECKS.items():
            fill(name, check(name, getattr(self, name)))
        if self.peak_epoch is None:
            fill("peak_epoch", self.total_epoch * PEAK_SHARE)
        fill("peak_epoch", number(0, self.total_epoch, "total_epoch")("peak_epoch", self.peak_epoch))
        used = {side: epochs for side, epochs in self.sizes.items() if epochs}
        fill("sizes", MappingProxyType(dict(sorted(used.items(), key=lambda item: int(item[0])))))
        check_network(self)

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_dict(), sort_keys=True))

    def __reduce__(self) -> tuple[Any, ...]:
        return Recipe.from_dict, (self.to_dict(),)  # a mapping that cannot be changed cannot be pickled either

    @property
    def channels(self) -> dict[str, int]:
        """Output channels by layer."""
        return {layer: getattr(self, layer) for layer in CHANNELS}

    def to_dict(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {name: _plain(value) for name, value in plain.items()}

    def to_json(self) -> str:
        """The recipe as JSON text."""
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Recipe":
        """Make a recipe of JSON values; fields that are not named keep their defaults."""
        for name in values:
            _known(name)
        return cls(**values)

    @classmethod
    def from_json(cls, text: str, source: str = "recipe") -> "Recipe":
        """Read JSON text; `source` names it in errors."""
        try:
            values = parse_json(text, source)
        except UnreadableError as error:
            raise RecipeError(str(error)) from None
        if not isinstance(values, dict):
            raise RecipeError(f"{source}: a recipe is a JSON object of fields, not {type(values).__name__}")
        try:
            return cls.from_dict(values)
        except RecipeError as error:
            raise RecipeError(f"{source}: {error}") from None

    def with_params(self, params: Mapping[str, Any]) -> "Recipe":
        """Return a recipe with other values; a key is a field, or a dotted path into one (`lr_scale.prep`).

        Where total_epoch changes, peak_epoch and sizes keep their shares of it (sizes in whole epochs, rounded down),
        unless they are among `params`. Where lr_instead comes in and peak_lr is not among `params`, peak_lr becomes 1.
        """
        values = self.to_dict()
        for key, value in params.items():
            name, _, rest = key.partition(".")
            _known(name)
            if key.startswith("ks.") and isinstance(values["ks"], int):
                values["ks"] = dict.fromkeys(CHANNELS, values["ks"])
            values[name] = _set_inside(values[name], rest, value, key) if rest else value
        if "total_epoch" in params:
            CHECKS["total_epoch"]("total_epoch", values["total_epoch"])
        if "total_epoch" in params and "peak_epoch" not in params:
            values["peak_epoch"] = self.peak_epoch / self.total_epoch * values["total_epoch"]
        if "total_epoch" in params and not any(key.partition(".")[0] == "sizes" for key in params):
            total = int(values["total_epoch"])
            values["sizes"] = {side: epochs * total // self.total_epoch for side, epochs in self.sizes.items()}
        if self.lr_instead is None and values["lr_instead"] is not None and "peak_lr" not in params:
            values["peak_lr"] = None
        return Recipe(**values)


def _known(name: str) -> None:
    names = [f.name for f in dataclasses.fields(Recipe)]
    if name not in names:
        which = nearest(name, names) if meant(name, names) else "; `fastcifar recipes --fields` lists them"
        raise RecipeError(f"a recipe has no field {short(name)}{which}")


def _set_inside(value: Any, rest: str, new: Any, key: str) -> Any:
    if not isinstance(value, dict):
        raise RecipeError(f"{key}: {key.partition('.')[0]} is {short(value)}, which has no parts")
    return {**value, rest: new}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def _check_kernel(name: str, value: Any) -> int:
    if value not in (3, 5):
        raise RecipeError(f"{name}: a kernel is 3 or 5 wide, not {short(value)}")
    return int(value)


def _check_widths(name: str, value: Any) -> Any:
    for path in value if isinstance(value, Mapping) else ():
        if path.endswith("/residual"):
            raise RecipeError(
                f"{name}: {short(path)}: a residual pair has the width of its layer, or nothing could be added"
            )
    return _EXTRA_WIDTHS(name, value)


_LAYERS = tuple(CHANNELS)
_WIDTH = number(1, 1 << 16, whole=True)
_EXTRA_WIDTHS = mapping(_WIDTH, tuple(f"{layer}/{name}" for layer in CHANNELS for name in EXTRA))
_EXTRA = mapping(number(0, MAX_EXTRA, whole=True), _LAYERS)
_KERNEL = Check("3 or 5", _check_kernel)
_KERNELS = mapping(_KERNEL, _LAYERS)

CHECKS: dict[str, Check] = {  # of peak_epoch see Recipe: its limit is another field
    "dataset": one_of(NAMES),
    "train_images": optional(number(1, whole=True)),
    "total_epoch": number(1, whole=True),
    "batch_size": number(1, whole=True),
    "peak_lr": number(0, open_low=True),
    "lr_start": number(0, 1),
    "lr_end": number(0, 1),
    "momentum": number(0, 1),
    "base_wd": number(0),
    "bias_lr": optional(number(0)),
    "head_lr": optional(number(0)),
    "optimizer": one_of(OPTIMIZERS),
    "muon_lr": number(0, open_low=True),
    "muon_momentum": number(0, 1),
    "muon_steps": number(1, 10, whole=True),
    "averaging": one_of(AVERAGING),
    "average_every": number(1, whole=True),
    "average_decay": number(0, 1),
    "tail_epochs": number(0, open_low=True),
    "label_smoothing": number(0, 1),
    "lr_scale": mapping(number(0)),
    "lr_instead": optional(sequence(number(0))),
    "network": one_of(NETWORKS),
    **dict.fromkeys(_LAYERS, _WIDTH),
    "convs": number(2, 3, whole=True),
    "extra_layers": Check(
        _EXTRA.rule,
        lambda name, value: _EXTRA(
            name, {str(layer): 1 for layer in value} if isinstance(value, (list, tuple)) else value
        ),
    ),
    "extra_widths": Check(_EXTRA_WIDTHS.rule, _check_widths),
    "res_layers": sequence(one_of(_LAYERS)),
    "ks": Check(
        f"{_KERNEL.rule}, or {_KERNELS.rule}",
        lambda name, value: _KERNELS(name, value) if isinstance(value, Mapping) else _KERNEL(name, value),
    ),
    "leave_out": sequence(text),
    "whiten": choice(0, 2, 3),
    "whiten_images": number(1, whole=True),
    "whiten_epochs": number(0, whole=True),
    "activation": one_of(tuple(ACTIVATIONS)),
    "pool_first": choice(False, True),
    "train_bn_scale": choice(False, True),
    "bn_momentum": number(0, 1, open_low=True),
    "identity_init": choice(False, True),
    "unit_head": choice(False, True),
    "logits_weight": number(0, open_low=True),
    "cutout": number(0, 32, whole=True),
    "shift": number(0, 31, whole=True),
    "flip": one_of(FLIPS),
    "brightness": number(0),
    "contrast": number(0, 1),
    "sizes": mapping(number(0, whole=True), tuple(str(side) for side in range(MIN_SIDE, SIDE))),
    "tta": one_of(VIEWS),
    "tta_share": number(0, 1),
    "precision": one_of(PRECISIONS),
}
