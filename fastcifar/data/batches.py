"""A split on the device, normalised, and the augmented batches of each epoch."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from fastcifar.data.augment import SIDE, Augmentation, resize
from fastcifar.data.dataset import Dataset, Split
from fastcifar.data.epoch import Epoch
from fastcifar.data.upload import upload
from fastcifar.machine import free_memory

# Mean and standard deviation of the canonical training pixels (red, green, blue; of 255), from davidcpage/cifar10-fast
# and the CIFAR-100 scripts. They are used for all datasets of these names; other datasets are measured.
STATISTICS = {
    "cifar10": ((125.31, 122.95, 113.87), (62.99, 62.09, 66.70)),
    "cifar100": ((129.30, 124.07, 112.43), (68.17, 65.39, 70.42)),
}


def statistics(dataset: Dataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, of 255."""
    if dataset.name in STATISTICS:
        return STATISTICS[dataset.name]
    levels = np.arange(256)
    means, deviations = [], []
    for channel in range(3):
        share = (
            np.bincount(dataset.train.images[..., channel].reshape(-1), minlength=256)
            / dataset.train.images[..., 0].size
        )
        means.append(float(levels @ share))
        deviations.append(max(1.0, float(((levels - means[-1]) ** 2 @ share) ** 0.5)))
    return tuple(means), tuple(deviations)


class Batches:
    """All images of a split on `device`, in batches.

    A batch is (images, labels): images (B, 3, 32, 32) in `dtype`, channels last, normalised; labels int64 (B,).
    With an augmentation the order is shuffled and a last short batch is dropped. Without one (`None`) all images come,
    in their own order.

        dataset = load("cifar10")
        train, valid = parts(dataset, "holdout")
        mean, std = statistics(dataset)
        varied = Augmentation(shift=4, flip="random", cutout=8)
        batches = Batches(train, batch_size=512, mean=mean, std=std, augmentation=varied, seed=0)
        for _ in range(10):
            for images, labels in batches:  # another order and other crops in each of the 10 epochs
                ...

    Each `for` over training batches is the next epoch, from 0; `epoch(i)` yields epoch i and does not advance.
    The same seed and epoch give the same batches, on every device.

    mean, std: of each channel's pixels, of 255, as `statistics` returns them.

    storage: `dtype` keeps the normalised images; `uint8` keeps the pixels as they are and normalises each batch, which
        takes a half to a quarter of the memory; `auto` means `uint8` if the normalised images would fill more than a
        quarter of the free memory. The batches are the same, bit for bit.
    Raises ValueError where a training batch is larger than the split.
    """

    def __init__(
        self,
        split: Split,
        *,
        batch_size: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        augmentation: Augmentation | None = None,
        seed: int = 0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        storage: str = "auto",
    ) -> None:
        if augmentation is not None and batch_size > len(split.labels):
            raise ValueError(f"batch_size: {batch_size} is more than the {len(split.labels)} images to train on")
        self.batch_size, self.augmentation, self.seed, self.dtype = batch_size, augmentation, seed, dtype
        self.device = torch.device(device)
        self.num_images = len(split.labels)
        self.passes = 0  # epochs that have been begun by iterating
        self._next: tuple[int, Epoch] | None = None  # drawn beforehand
        self.labels = upload(torch.from_numpy(split.labels), self.device)
        self._mean = torch.tensor(mean, device=self.device)
        self._scale = 1 / torch.tensor(std, device=self.device)
        pixels = upload(torch.from_numpy(split.images).view(-1, 3), self.device)
        if storage == "auto":
            needed = pixels.numel() * dtype.itemsize
            storage = "dtype" if needed <= _free_memory(self.device) / 4 else "uint8"
        self.pixels = pixels if storage == "uint8" else self._normalise_all(pixels)

    def __len__(self) -> int:
        """Batches in an epoch."""
        full, rest = divmod(self.num_images, self.batch_size)
        return full + (rest > 0 and self.augmentation is None)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of the next epoch; without an augmentation all epochs are the same."""
        self.passes += 1
        return self.epoch(self.passes - 1)

    def __repr__(self) -> str:
        order = "in order" if self.augmentation is None else f"augmented, seed {self.seed}"
        form = f"{str(self.dtype).removeprefix('torch.')} on {self.device}"
        return f"Batches({self.num_images:,} images, {len(self):,} batches of {self.batch_size}, {order}, {form})"

    def epoch(self, epoch: int = 0, side: int = SIDE) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of `epoch` (from 0). The last step of augmentation scales images down to `side` pixels."""
        if self.augmentation is None:
            for start in range(0, self.num_images, self.batch_size):
                part = slice(start, min(start + self.batch_size, self.num_images))
                images = self._normalise(self.pixels.view(-1, 32, 32, 3)[part])
                yield images.permute(0, 3, 1, 2), self.labels[part]
            return
        varied = self._begun(epoch)
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            part = slice(start, start + self.batch_size)
            images = varied.change(self._normalise(varied.take(self.pixels, part)), part)
            images = images.permute(0, 3, 1, 2)  # channels last: only the strides change
            yield (images if side == SIDE else resize(images, side)), self.labels[varied.plan.order[part]]
        if self.device.type != "cpu":
            self._next = epoch + 1, self._draw(epoch + 1)  # while the device is busy with the steps of this one

    def _begun(self, epoch: int) -> Epoch:
        drawn, self._next = self._next, None
        return drawn[1] if drawn and drawn[0] == epoch else self._draw(epoch)

    def _draw(self, epoch: int) -> Epoch:
        assert self.augmentation is not None
        return Epoch.draw(self.num_images, self.augmentation, self.seed, epoch, self.device, self.dtype)

    def _normalise(self, pixels: Tensor) -> Tensor:
        if pixels.dtype != torch.uint8:
            return pixels
        return pixels.float().sub_(self._mean).mul_(self._scale).to(self.dtype)

    def _normalise_all(self, pixels: Tensor) -> Tensor:
        out = torch.empty(pixels.shape, dtype=self.dtype, device=self.device)
        for part, result in zip(pixels.split(1 << 22), out.split(1 << 22), strict=True):  # bounds the fp32 copy
            result.copy_(self._normalise(part))
        return out


def _free_memory(device: torch.device) -> float:
    """Bytes."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return free_memory()
