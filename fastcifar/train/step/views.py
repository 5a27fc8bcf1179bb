"""Test-time augmentation: the mean of the logits over several views of an image."""

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

VIEWS = ("none", "flip", "six", "six-unsure")
SHIFTS = (0, 2)  # corners of the crops from the padded image: up and left, down and right by one pixel
Forward = Callable[[Tensor], Tensor]  # images (B, 3, H, W) -> logits (B, num_classes)


@torch.no_grad()
def logits_of_views(
    forward: Forward, batches: Callable[[], Iterator[Tensor]], kind: str, share: float, batch_size: int
) -> Tensor:
    """Logits (N, num_classes), over views of `kind`, of the images that `batches` yields. It may be called repeatedly.

    none: the image. flip: it and its mirror image. six: these two with weight 1/4 each, and the same of the image
    shifted by a pixel (reflected at the edge) up and left, and down and right, with weight 1/8 each
    (KellerJordan/cifar10-airbench). six-unsure: six for the share of the images whose largest probability over two
    views is smallest, else flip (hiverge/cifar10-speedrun).
    """
    if kind == "none":
        return torch.cat([forward(images) for images in batches()])
    logits = torch.cat([_flip(forward, images) for images in batches()])
    if kind == "flip":
        return logits
    if kind == "six":
        return (logits + torch.cat([_shifted(forward, images) for images in batches()])) / 2
    count = round(share * len(logits))
    if not count:
        return logits
    unsure = logits.softmax(1).amax(1).argsort(stable=True)[:count].sort().values
    if logits.device.type != "cpu":  # how many of them are in each batch is not known there without waiting for it
        wanted, size = torch.cat(list(batches())).index_select(0, unsure), even_batch(count, batch_size)
    else:
        wanted, size = _chosen(batches(), unsure), batch_size
    shifted = torch.cat([_shifted(forward, images) for images in wanted.split(size)])
    return logits.index_copy(0, unsure, (logits.index_select(0, unsure) + shifted) / 2)


def even_batch(number: int, most: int) -> int:
    """A batch size of at most `most` that divides `number` images into equal batches, or nearly equal ones.

    A GPU has to choose its kernels anew for each further size.
    """
    for size in range(min(number, most), most // 2, -1):
        if number % size == 0:
            return size
    return math.ceil(number / math.ceil(number / most))


def _chosen(batches: Iterator[Tensor], places: Tensor) -> Tensor:
    """The images at the sorted indices `places`, without loading all images at once."""
    found, first = [], 0
    for images in batches:
        here = places[(places >= first) & (places < first + len(images))]
        found.append(images[here - first])
        first += len(images)
    return torch.cat(found)


def _flip(forward: Forward, images: Tensor) -> Tensor:
    return (forward(images) + forward(images.flip(3))) / 2


def _shifted(forward: Forward, images: Tensor) -> Tensor:
    side = images.shape[2]
    padded = F.pad(images, (1, 1, 1, 1), "reflect")
    views = [padded[:, :, at : at + side, at : at + side] for at in SHIFTS]
    channels_last = [view.contiguous(memory_format=torch.channels_last) for view in views]
    return torch.stack([_flip(forward, view) for view in channels_last]).mean(0)
