"""What decides a run but for its seed: one frozen dataclass, JSON both ways."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastcifar.data import FLIPS, NAMES
from fastcifar.names import nearest
from fastcifar.net import CHANNELS, MAX_EXTRA
from fastcifar.train.checks import RecipeError, mapping, number, one_of, optional, sequence, text
from fastcifar.train.precision import PRECISIONS

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
    momentum: float = 0.9
    """Nesterov momentum."""
    base_wd: float = 5e-4
    """Weight decay, for the mean loss: a step adds base_wd * batch_size * weight to the summed gradient."""
    label_smoothing: float = 0.0
    """Share of the target that is spread evenly over all classes."""
    lr_scale: Mapping[str, float] = field(default_factory=dict)
    """Path prefix -> factor of the learning rate, e.g. {"prep": 0.1}; of several prefixes the longest counts."""
    lr_instead: tuple[float, ...] | None = None
    """One learning rate per parameter tensor of the full network, in its order; the schedule then is a ratio."""
    prep: int = CHANNELS["prep"]
    """Output channels of the layer prep."""
    layer1: int = CHANNELS["layer1"]
    """Output channels of layer1."""
    layer2: int = CHANNELS["layer2"]
    """Output channels of layer2."""
    layer3: int = CHANNELS["layer3"]
    """Output channels of layer3."""
    extra_layers: Mapping[str, int] = field(default_factory=dict)
    """Layer -> number of extra conv-bn-relu blocks, 0 to 4; a list of layers means one each."""
    res_layers: tuple[str, ...] = ("layer1", "layer3")
    """Layers with a residual pair."""
    ks: int | Mapping[str, int] = 3
    """Kernel size, 3 or 5, of all layers or by layer."""
    leave_out: tuple[str, ...] = ()
    """Optional blocks that are skipped, e.g. ["prep/extra"]; they keep their places in lr_instead."""
    logits_weight: float = 0.125
    """Factor of the logits."""
    cutout: int = 8
    """Side of the square that is set to zero in each training image, in pixels; 0 is none."""
    shift: int = 4
    """Training images are padded by this many pixels (reflected) and cropped at random."""
    flip: str = "random"
    """none, random, or alternating (each image mirrored in every other epoch)."""
    precision: str = "auto"
    """auto, half, O0, O1, O2 or O3; see the README."""

    def __post_init__(self) -> None:
        def fill(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        if self.peak_lr is None:
            fill("peak_lr", 0.4 if self.lr_instead is None else 1.0)
        for name, check in _CHECKS.items():
            fill(name, check(name, getattr(self, name)))
        if self.peak_epoch is None:
            fill("peak_epoch", self.total_epoch * PEAK_SHARE)
        fill("peak_epoch", number(0, self.total_epoch, "total_epoch")("peak_epoch", self.peak_epoch))

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
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise RecipeError(f"{source}, line {error.lineno}: not JSON: {error.msg}") from None
        if not isinstance(values, dict):
            raise RecipeError(f"{source}: a recipe is a JSON object of fields, not {type(values).__name__}")
        try:
            return cls.from_dict(values)
        except RecipeError as error:
            raise RecipeError(f"{source}: {error}") from None

    def with_params(self, params: Mapping[str, Any]) -> "Recipe":
        """Return a recipe with other values; a key is a field, or a dotted path into one (`lr_scale.prep`).

        Where total_epoch changes and peak_epoch is not among `params`, peak_epoch keeps its share of it. Where
        lr_instead comes in and peak_lr is not among `params`, peak_lr becomes 1.
        """
        values = self.to_dict()
        for key, value in params.items():
            name, _, rest = key.partition(".")
            _known(name)
            if key.startswith("ks.") and isinstance(values["ks"], int):
                values["ks"] = dict.fromkeys(CHANNELS, values["ks"])
            values[name] = _set_inside(values[name], rest, value, key) if rest else value
        if "total_epoch" in params and "peak_epoch" not in params:
            _CHECKS["total_epoch"]("total_epoch", values["total_epoch"])
            values["peak_epoch"] = self.peak_epoch / self.total_epoch * values["total_epoch"]
        if self.lr_instead is None and values["lr_instead"] is not None and "peak_lr" not in params:
            values["peak_lr"] = None
        return Recipe(**values)


def _known(name: str) -> None:
    names = [f.name for f in dataclasses.fields(Recipe)]
    if name not in names:
        raise RecipeError(f"a recipe has no field {name!r}{nearest(name, names)}")


def _set_inside(value: Any, rest: str, new: Any, key: str) -> Any:
    if not isinstance(value, dict):
        raise RecipeError(f"{key}: {key.partition('.')[0]} is {value!r}, which has no parts")
    return {**value, rest: new}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def _kernel(name: str, value: Any) -> int:
    if value not in (3, 5):
        raise RecipeError(f"{name}: a kernel is 3 or 5 wide, not {value!r}")
    return int(value)


_LAYERS = tuple(CHANNELS)
_WIDTH = number(1, 1 << 16, whole=True)
_EXTRA = mapping(number(0, MAX_EXTRA, whole=True), _LAYERS)

_CHECKS: dict[str, Any] = {
    "dataset": one_of(NAMES),
    "train_images": optional(number(1, whole=True)),
    "total_epoch": number(1, whole=True),
    "batch_size": number(1, whole=True),
    "peak_lr": number(0, open_low=True),
    "momentum": number(0, 1),
    "base_wd": number(0),
    "label_smoothing": number(0, 1),
    "lr_scale": mapping(number(0)),
    "lr_instead": optional(sequence(number(0))),
    **dict.fromkeys(_LAYERS, _WIDTH),
    "extra_layers": lambda name, value: _EXTRA(
        name, dict.fromkeys(value, 1) if isinstance(value, (list, tuple)) else value
    ),
    "res_layers": sequence(one_of(_LAYERS)),
    "ks": lambda name, value: (
        mapping(_kernel, _LAYERS)(name, value) if isinstance(value, Mapping) else _kernel(name, value)
    ),
    "leave_out": sequence(text),
    "logits_weight": number(0, open_low=True),
    "cutout": number(0, 32, whole=True),
    "shift": number(0, 31, whole=True),
    "flip": one_of(FLIPS),
    "precision": one_of(PRECISIONS),
}
