"""A trained network out of a run's folder: weights, number formats and normalisation."""

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastcifar.data import SIDE, STATISTICS, Batches, Split, load, statistics
from fastcifar.names import nearest
from fastcifar.net import Net, Network, convert
from fastcifar.train.device import kernels, resolve_device
from fastcifar.train.images import evaluation_batch
from fastcifar.train.networks import describe
from fastcifar.train.recipe.recipe import Recipe
from fastcifar.train.record.identity import check_identity, identity
from fastcifar.train.record.record import RecordError
from fastcifar.train.result import Result
from fastcifar.train.run import load_result
from fastcifar.train.start import FILE, check_fit, read_file
from fastcifar.train.step.loop import logits_in
from fastcifar.train.step.precision import PRECISIONS, Precision, resolve_precision
from fastcifar.train.step.views import VIEWS, logits_of_views
from fastcifar.train.step.ways import COMPILED, make_forward, resolve_step

LAST = "linear.weight"  # (num_classes, features), in every network
Means = tuple[float, ...]  # one number for red, green and blue; pixels go from 0 to 255


class TrainedNetwork(Network):
    """A `Network` with its weights, and with what it needs to be used on pixels.

    recipe: what it was trained by.
    mean, std: of the pixels of each channel, from 0 to 255; a network sees (pixels - mean) / std.
    precision: the number formats; `load_network` can choose others. step: how `predict` computes.
    deterministic: on a GPU, `predict` uses only kernels that repeat themselves.

    As any Network it takes normalised images (N, 3, 32, 32), in the format `precision.images`:
    `network({"input": images})["logits"]`. `predict` takes pixels, and does the rest.
    """

    recipe: Recipe
    mean: Means
    std: Means
    precision: Precision
    step: str
    deterministic: bool

    def __init__(
        self,
        net: Net,
        *,
        recipe: Recipe,
        mean: Means,
        std: Means,
        precision: Precision,
        step: str,
        deterministic: bool = False,
    ) -> None:
        super().__init__(net)
        self.recipe, self.mean, self.std = recipe, mean, std
        self.precision, self.step, self.deterministic = precision, step, deterministic
        self._compiled: Callable[[Tensor], Tensor] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a file takes over: not what was compiled, which computes with this network's weights."""
        return {**self.__dict__, "_compiled": None}

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def num_classes(self) -> int:
        return len(self.state_dict()[LAST])

    def predict(self, images: np.ndarray | Tensor, views: str = "none") -> Tensor:
        """Logits (N, num_classes), in fp32 on the network's device, of pixels (N, 32, 32, 3), uint8, red green blue.

        views: none, flip, six or six-unsure: the mean over several views of each image, see `Recipe.tta`.
        The network computes as in evaluation, whether it is in training mode or not, in batches of 512 images, on a
        GPU of up to 2,000.
        Raises ValueError for images of another shape or format, and for views that are not known.
        """
        pixels = _pixels(images)
        if views not in VIEWS:
            raise ValueError(f"views: {views!r} is not known{nearest(views, VIEWS)}")
        if not len(pixels):
            return torch.empty(0, self.num_classes, device=self.device)
        batches = Batches(
            Split(images=pixels, labels=np.zeros(len(pixels), dtype=np.int64)),
            batch_size=evaluation_batch(len(pixels), self.device),
            mean=self.mean,
            std=self.std,
            device=self.device,
            dtype=self.precision.images,
            storage="uint8",
        )
        forward, training = self._forward(), self.training
        self.eval()
        try:
            with kernels(self.device, self.deterministic, by_trial=False):
                return logits_of_views(
                    lambda x: logits_in(self.precision, forward, x),
                    lambda: (images for images, _ in batches.epoch()),
                    views,
                    self.recipe.tta_share,
                    batches.batch_size,
                )
        finally:
            self.train(training)

    def _forward(self) -> Callable[[Tensor], Tensor]:
        """The function from images to logits."""
        if self.step not in COMPILED:
            return make_forward(self, "eager" if self.device.type != "cpu" else self.step)  # it may have been moved
        self._compiled = self._compiled or make_forward(self, self.step)
        return self._compiled

    def accuracy(self, split: Split, views: str = "none") -> float:
        """The share of the images of `split` whose class is found; a share of 1.

        On the images that the run was validated on it is the record's `valid_acc`, and with `views=recipe.tta` its
        `tta_acc`: to the last digit on the same CPU with the same versions and threads. Raises ValueError for an empty
        split, and as `predict` does.
        """
        if not len(split.labels):
            raise ValueError("split: there is no image in it")
        found = self.predict(split.images, views).argmax(1).cpu().numpy()
        return int((found == split.labels).sum()) / len(split.labels)


def load_network(
    run: str | PathLike[str] | Result,
    *,
    device: str | None = None,
    precision: str | None = None,
    step: str | None = None,
    out: str | PathLike[str] = "runs",
) -> TrainedNetwork:
    """The trained network of a run, in evaluation mode.

    run: the run's folder, or its id under `out`, or its `Result`.
    device: auto, cpu, cuda or cuda:N; by default the run's own, where it is here.
    precision, step: as in a recipe and for `train`; by default the run's own, and on another kind of device than its
        own fp32 (`O0`) and `auto`.

    Raises FileNotFoundError where there is no such folder; RecordError (a ValueError) where it holds no run, no
    weights yet, or damaged ones; ValueError for a device, precision or step that cannot be had.
    """
    result = run if isinstance(run, Result) else load_result(_folder(run, Path(out)))
    if result.path is None:
        raise ValueError("run: this result has no weights on disk; train(..., out='runs') keeps them")
    if not Path(result.path, FILE).exists():
        raise RecordError(f"{result.path}: the run is {result.status}, and has no {FILE}: those come at its end")
    own = str(result.settings["device"]).partition(":")[0]
    where = _own_device(result) if device is None else resolve_device(device)
    alike = where.type == own
    if precision is None:
        precision = result.precision if alike else "O0"
    elif precision not in PRECISIONS:
        raise ValueError(f"precision: {precision!r} is not known{nearest(precision, PRECISIONS)}")
    if step is None:  # fused where it can be had, else eager: a network can be used without a compiler
        step = result.settings["step"] if alike and result.settings["step"] != "fused" else "auto"
    mean, std = _normalisation(result)
    saved, metadata = read_file(result.path)
    check_identity(Path(result.path, FILE), metadata, identity(result))
    if LAST not in saved:
        raise RecordError(f"{Path(result.path, FILE)}: there is no {LAST} in it")
    with torch.device("meta"):
        network = TrainedNetwork(
            describe(result.recipe, len(saved[LAST]), result.recipe.leave_out),
            recipe=result.recipe,
            mean=mean,
            std=std,
            precision=resolve_precision(precision, where),
            step=resolve_step(step, where),
            deterministic=bool(result.settings.get("deterministic")),
        )
    check_fit(network, saved, result.path)
    network.to_empty(device=where)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    convert(network, network.precision.weights, network.precision.batch_norm)
    network.load_state_dict(saved)
    network.eval()
    return network


def _folder(run: str | PathLike[str], out: Path) -> Path:
    for path in (Path(run), out / run):
        if path.is_dir():
            return path
    raise FileNotFoundError(f"there is no run {run}, neither here nor under {out}")


def _own_device(result: Result) -> torch.device:
    try:
        return resolve_device(result.settings["device"])
    except ValueError:  # made on a machine with a GPU that this one has not
        return resolve_device("auto")


def _normalisation(result: Result) -> tuple[Means, Means]:
    """Mean and standard deviation that the run normalised its images by."""
    data = result.dataset
    if "mean" in data:
        return tuple(data["mean"]), tuple(data["std"])
    if data["name"] in STATISTICS:  # a run of before they were recorded
        return STATISTICS[data["name"]]
    dataset = load(data["name"])
    if dataset.fingerprint != data["fingerprint"]:
        raise RecordError(f"{result.path}: the record does not say how its images were normalised")
    return statistics(dataset)


def _pixels(images: np.ndarray | Tensor) -> np.ndarray:
    """The images as an array that torch can take as it is. Raises ValueError where they are no pixels."""
    array = images.detach().cpu().numpy() if isinstance(images, Tensor) else np.asarray(images)
    if array.shape[1:] != (SIDE, SIDE, 3) or array.dtype != np.uint8:
        raise ValueError(
            f"images: uint8 pixels of shape (N, {SIDE}, {SIDE}, 3) are needed, not {array.dtype} of {array.shape}; "
            'normalised images (N, 3, 32, 32) go through network({"input": images})["logits"]'
        )
    return np.require(array, requirements=["C_CONTIGUOUS", "WRITEABLE"])
