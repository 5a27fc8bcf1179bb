"""The fields of a recipe: what each means, and what it is where nothing is said."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastcifar.net import CHANNELS


@dataclass(frozen=True, kw_only=True)
class Values:
    """The values of a recipe, which `Recipe` checks."""

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

    @property
    def channels(self) -> dict[str, int]:
        """Output channels by layer."""
        return {layer: getattr(self, layer) for layer in CHANNELS}

    def to_dict(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {name: _plain(value) for name, value in plain.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value
