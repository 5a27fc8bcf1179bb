"""The images of a supernet: for training, for calibration, for scoring."""

from itertools import islice
from typing import Any

from torch import Tensor

from fastcifar.data import Batches, Dataset, Split, statistics
from fastcifar.supernet.plan import SupernetPlan
from fastcifar.supernet.record import Record
from fastcifar.supernet.supernet import Supernet
from fastcifar.train.images import EVALUATION_BATCH, check_same_images, split_images, training_batches

CALIBRATION = 512  # images on which a network's batch norms are calibrated


class Material:
    """The training images without the holdout, and the holdout, on the supernet's device. No test image is used.

    Raises ValueError where the images are not those of the record.
    """

    def __init__(self, record: Record, dataset: Dataset, supernet: Supernet) -> None:
        self.plan = plan = record.plan
        self.train_split, self.valid_split = supernet_images(plan, dataset)
        check_same_images(record.path, record.dataset, dataset)
        mean, std = statistics(dataset)
        dtype = supernet.state.precision.images
        self._on_device: dict[str, Any] = {"mean": mean, "std": std, "device": supernet.device, "dtype": dtype}
        self.batches = training_batches(plan.recipe, self.train_split, plan.seed, **self._on_device)

    def calibration(self, images: int = CALIBRATION) -> list[Tensor]:
        """Batches (B, 3, 32, 32) of at most `images` training images, at least one batch: the same in every call.

        They are augmented as in training, and are those of the first epoch that is not trained on.
        """
        after = self.plan.recipe.total_epoch
        batches = max(1, images // self.plan.recipe.batch_size)
        return [images for images, _ in islice(self.batches.epoch(after), batches)]

    def valid(self, images: int | None = None) -> list[tuple[Tensor, Tensor]]:
        """The first `images` of the holdout, or all, in batches: images (B, 3, 32, 32) and labels (B,)."""
        some = Split(images=self.valid_split.images[:images], labels=self.valid_split.labels[:images])
        return list(Batches(some, batch_size=EVALUATION_BATCH, **self._on_device).epoch())


def supernet_images(plan: SupernetPlan, dataset: Dataset) -> tuple[Split, Split]:
    """The images to train on and the holdout. Raises ValueError as `split_images` does."""
    return split_images(plan.recipe, dataset, "holdout")
