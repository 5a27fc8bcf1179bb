"""The images of a training: to train on and to validate on, in batches, and what a record says of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from fastcifar.data import Augmentation, Batches, Dataset, Split, parts
from fastcifar.train.recipe.recipe import Recipe
from fastcifar.train.step.views import even_batch

EVALUATION_BATCH = 512  # images, as in cifar10-fast
GPU_EVALUATION_BATCH = 2000  # at most; it divides the 10,000 test images


def split_images(recipe: Recipe, dataset: Dataset, split: str) -> tuple[Split, Split]:
    """The images to train on and to validate on.

    Raises ValueError where the recipe is for another dataset, and where there are too few images for a batch.
    """
    if dataset.name != recipe.dataset:
        raise ValueError(f"dataset: the recipe is for {recipe.dataset}, the images are {dataset.name}")
    train_split, valid_split = parts(dataset, split, recipe.train_images)
    available = len(train_split.labels)
    if recipe.batch_size > available:
        raise ValueError(f"batch_size: {recipe.batch_size} is more than the {available} images to train on")
    return train_split, valid_split


def dataset_record(dataset: Dataset, images: tuple[Split, Split]) -> dict[str, Any]:
    """What a record says of its images. images: to train on and to validate on."""
    train_split, valid_split = images
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "canonical": dataset.canonical,
        "train_images": len(train_split.labels),
        "valid_images": len(valid_split.labels),
    }


def check_same_images(path: str | Path | None, recorded: Mapping[str, Any], dataset: Dataset) -> None:
    """Raise ValueError where `dataset` is not the one of a record. path: of the record, for the message.

    recorded: name and fingerprint of the images, as `dataset_record` gives them.
    """
    if dataset.fingerprint != recorded["fingerprint"]:
        raise ValueError(
            f"{path}: made with {recorded['name']} images of fingerprint {recorded['fingerprint'][:12]}, "
            f"these have {dataset.fingerprint[:12]}"
        )


def training_batches(recipe: Recipe, split: Split, seed: int, **on_device: Any) -> Batches:
    """The images to train on, augmented as the recipe says. on_device: further arguments of `Batches`."""
    augmentation = Augmentation(
        shift=recipe.shift,
        flip=recipe.flip,
        cutout=recipe.cutout,
        brightness=recipe.brightness,
        contrast=recipe.contrast,
    )
    return Batches(split, batch_size=recipe.batch_size, augmentation=augmentation, seed=seed, **on_device)


def evaluation_batch(images: int, device: torch.device) -> int:
    """The number of images in a batch when `images` images are evaluated on `device`."""
    return EVALUATION_BATCH if device.type == "cpu" else even_batch(images, GPU_EVALUATION_BATCH)
