"""CIFAR-10, CIFAR-100 and a synthetic stand-in: verified, as plain arrays, and as augmented batches on the device."""

from fastcifar.data.augment import FLIPS, SIDE, Augmentation, derived_seed
from fastcifar.data.batches import STATISTICS, Batches, statistics
from fastcifar.data.dataset import DataError, Dataset, NoDataError, Split
from fastcifar.data.load import NAMES, load, locate, num_classes
from fastcifar.data.published.formats import write_archive, write_binary, write_python
from fastcifar.data.published.places import Place, cache_folder
from fastcifar.data.report import DataStatus, data_report, format_report, report_json
from fastcifar.data.split import SPLITS, parts, stratified
from fastcifar.data.synthetic import synthetic

__all__ = [
    "FLIPS",
    "NAMES",
    "SIDE",
    "SPLITS",
    "STATISTICS",
    "Augmentation",
    "Batches",
    "DataError",
    "DataStatus",
    "Dataset",
    "NoDataError",
    "Place",
    "Split",
    "cache_folder",
    "data_report",
    "derived_seed",
    "format_report",
    "load",
    "locate",
    "num_classes",
    "parts",
    "report_json",
    "statistics",
    "stratified",
    "synthetic",
    "write_archive",
    "write_binary",
    "write_python",
]
