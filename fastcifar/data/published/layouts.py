"""The published files: names, sizes, MD5 sums and class names of CIFAR-10 and CIFAR-100.

The URLs, the archives' MD5 sums and the binary layout are from the datasets' page,
https://www.cs.toronto.edu/~kriz/cifar.html. The MD5 sums of the files inside the python archives are the ones
that torchvision checks (torchvision/datasets/cifar.py). There are none for the files inside the binary archives.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fastcifar.data.published.class_names import CIFAR10_CLASSES, CIFAR100_CLASSES

BASE_URL = "https://www.cs.toronto.edu/~kriz/"


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A published tar.gz."""

    file_name: str
    md5: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Form:
    """One of the two formats that a dataset was published in."""

    format: Literal["python", "binary"]
    folder: str  # the folder inside the archive
    archive: Archive
    train_files: tuple[str, ...]  # each with the same number of images
    test_file: str
    names_file: str  # holds the class names
    file_md5: Mapping[str, str] = field(default_factory=dict)  # of the unpacked files, where published


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The files and sizes of a complete dataset. Tests make small ones with `dataclasses.replace`."""

    name: str
    title: str
    classes: tuple[str, ...]
    train_images: int
    test_images: int
    label_key: str  # in the python batches
    names_key: str  # in the python names file
    label_bytes: int  # before each image of the binary batches; the last of them is the class
    forms: tuple[Form, ...]  # in the order in which they are looked for

    def counts(self, form: Form) -> dict[str, int]:
        """Images per file: file name -> number."""
        per_file = self.train_images // len(form.train_files)
        return {**dict.fromkeys(form.train_files, per_file), form.test_file: self.test_images}


CIFAR10 = Layout(
    name="cifar10",
    title="CIFAR-10",
    classes=CIFAR10_CLASSES,
    train_images=50_000,
    test_images=10_000,
    label_key="labels",
    names_key="label_names",
    label_bytes=1,
    forms=(
        Form(
            format="python",
            folder="cifar-10-batches-py",
            archive=Archive(
                file_name="cifar-10-python.tar.gz", md5="c58f30108f718f92721af3b95e74349a", size_bytes=170_498_071
            ),
            train_files=("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"),
            test_file="test_batch",
            names_file="batches.meta",
            file_md5={
                "data_batch_1": "c99cafc152244af753f735de768cd75f",
                "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
                "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
                "data_batch_4": "634d18415352ddfa80567beed471001a",
                "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
                "test_batch": "40351d587109b95175f43aff81a1287e",
            },
        ),
        Form(
            format="binary",
            folder="cifar-10-batches-bin",
            archive=Archive(
                file_name="cifar-10-binary.tar.gz", md5="c32a1d4ab5d03f1284b67883e8d87530", size_bytes=170_052_171
            ),
            train_files=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
            test_file="test_batch.bin",
            names_file="batches.meta.txt",
        ),
    ),
)

CIFAR100 = Layout(
    name="cifar100",
    title="CIFAR-100",
    classes=CIFAR100_CLASSES,
    train_images=50_000,
    test_images=10_000,
    label_key="fine_labels",
    names_key="fine_label_names",
    label_bytes=2,
    forms=(
        Form(
            format="python",
            folder="cifar-100-python",
            archive=Archive(
                file_name="cifar-100-python.tar.gz", md5="eb9058c3a382ffc7106e4002c42a8d85", size_bytes=169_001_437
            ),
            train_files=("train",),
            test_file="test",
            names_file="meta",
            file_md5={
                "train": "16019d7e3df5f24257cddd939b257f8d",
                "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
            },
        ),
        Form(
            format="binary",
            folder="cifar-100-binary",
            archive=Archive(
                file_name="cifar-100-binary.tar.gz", md5="03b5dce01913d631647c71ecec9e9cb8", size_bytes=168_513_733
            ),
            train_files=("train.bin",),
            test_file="test.bin",
            names_file="fine_label_names.txt",
        ),
    ),
)

LAYOUTS = {layout.name: layout for layout in (CIFAR10, CIFAR100)}
