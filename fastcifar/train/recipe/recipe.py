"""What decides a run but for its seed: one frozen dataclass, JSON both ways."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fastcifar.checks import Check, Checks
from fastcifar.data import FLIPS, NAMES, SIDE
from fastcifar.names import meant, nearest, short
from fastcifar.net import ACTIVATIONS, CHANNELS, EXTRA, MAX_EXTRA
from fastcifar.reading import UnreadableError, parse_json
from fastcifar.train.optim.averaging import AVERAGING
from fastcifar.train.optim.optimizer import OPTIMIZERS
from fastcifar.train.recipe.errors import RecipeError
from fastcifar.train.recipe.rules import MIN_SIDE, NETWORKS, check_network
from fastcifar.train.recipe.values import Values
from fastcifar.train.step.precision import PRECISIONS
from fastcifar.train.step.views import VIEWS

CHECK = Checks(RecipeError)
PEAK_SHARE = 5 / 24  # of total_epoch, where peak_epoch is not given


@dataclass(frozen=True, kw_only=True)
class Recipe(Values):
    """How a network is built and trained. The defaults are the notes': ResNet-9 on CIFAR-10 in 24 epochs.

    Frozen; equal recipes have equal hashes. Raises RecipeError (a ValueError) for a value out of range.
    """

    def __post_init__(self) -> None:
        def fill(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        if self.peak_lr is None:
            fill("peak_lr", 0.4 if self.lr_instead is None else 1.0)
        for name, check in CHECKS.items():
            fill(name, check(name, getattr(self, name)))
        if self.peak_epoch is None:
            fill("peak_epoch", self.total_epoch * PEAK_SHARE)
        fill("peak_epoch", CHECK.number(0, self.total_epoch, "total_epoch")("peak_epoch", self.peak_epoch))
        used = {side: epochs for side, epochs in self.sizes.items() if epochs}
        fill("sizes", MappingProxyType(dict(sorted(used.items(), key=lambda item: int(item[0])))))
        check_network(self)

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_dict(), sort_keys=True))

    def __reduce__(self) -> tuple[Any, ...]:
        return Recipe.from_dict, (self.to_dict(),)  # a mapping that cannot be changed cannot be pickled either

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
_WIDTH = CHECK.number(1, 1 << 16, whole=True)
_EXTRA_WIDTHS = CHECK.mapping(_WIDTH, tuple(f"{layer}/{name}" for layer in CHANNELS for name in EXTRA))
_EXTRA = CHECK.mapping(CHECK.number(0, MAX_EXTRA, whole=True), _LAYERS)
_KERNEL = Check("3 or 5", _check_kernel)
_KERNELS = CHECK.mapping(_KERNEL, _LAYERS)

CHECKS: dict[str, Check] = {  # of peak_epoch see Recipe: its limit is another field
    "dataset": CHECK.one_of(NAMES),
    "train_images": CHECK.optional(CHECK.number(1, whole=True)),
    "total_epoch": CHECK.number(1, whole=True),
    "batch_size": CHECK.number(1, whole=True),
    "peak_lr": CHECK.number(0, open_low=True),
    "lr_start": CHECK.number(0, 1),
    "lr_end": CHECK.number(0, 1),
    "momentum": CHECK.number(0, 1),
    "base_wd": CHECK.number(0),
    "bias_lr": CHECK.optional(CHECK.number(0)),
    "head_lr": CHECK.optional(CHECK.number(0)),
    "optimizer": CHECK.one_of(OPTIMIZERS),
    "muon_lr": CHECK.number(0, open_low=True),
    "muon_momentum": CHECK.number(0, 1),
    "muon_steps": CHECK.number(1, 10, whole=True),
    "averaging": CHECK.one_of(AVERAGING),
    "average_every": CHECK.number(1, whole=True),
    "average_decay": CHECK.number(0, 1),
    "tail_epochs": CHECK.number(0, open_low=True),
    "label_smoothing": CHECK.number(0, 1),
    "lr_scale": CHECK.mapping(CHECK.number(0)),
    "lr_instead": CHECK.optional(CHECK.sequence(CHECK.number(0))),
    "network": CHECK.one_of(NETWORKS),
    **dict.fromkeys(_LAYERS, _WIDTH),
    "convs": CHECK.number(2, 3, whole=True),
    "extra_layers": Check(
        _EXTRA.rule,
        lambda name, value: _EXTRA(
            name, {str(layer): 1 for layer in value} if isinstance(value, (list, tuple)) else value
        ),
    ),
    "extra_widths": Check(_EXTRA_WIDTHS.rule, _check_widths),
    "res_layers": CHECK.sequence(CHECK.one_of(_LAYERS)),
    "ks": Check(
        f"{_KERNEL.rule}, or {_KERNELS.rule}",
        lambda name, value: _KERNELS(name, value) if isinstance(value, Mapping) else _KERNEL(name, value),
    ),
    "leave_out": CHECK.sequence(CHECK.text()),
    "whiten": CHECK.choice(0, 2, 3),
    "whiten_images": CHECK.number(1, whole=True),
    "whiten_epochs": CHECK.number(0, whole=True),
    "activation": CHECK.one_of(tuple(ACTIVATIONS)),
    "pool_first": CHECK.choice(False, True),
    "train_bn_scale": CHECK.choice(False, True),
    "bn_momentum": CHECK.number(0, 1, open_low=True),
    "identity_init": CHECK.choice(False, True),
    "unit_head": CHECK.choice(False, True),
    "logits_weight": CHECK.number(0, open_low=True),
    "cutout": CHECK.number(0, 32, whole=True),
    "shift": CHECK.number(0, 31, whole=True),
    "flip": CHECK.one_of(FLIPS),
    "brightness": CHECK.number(0),
    "contrast": CHECK.number(0, 1),
    "sizes": CHECK.mapping(CHECK.number(0, whole=True), tuple(str(side) for side in range(MIN_SIDE, SIDE))),
    "tta": CHECK.one_of(VIEWS),
    "tta_share": CHECK.number(0, 1),
    "precision": CHECK.one_of(PRECISIONS),
}
