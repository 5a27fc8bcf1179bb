"""CIFAR-10, CIFAR-100 and a synthetic stand-in, verified, as plain arrays."""

from fastcifar.data.dataset import DataError, Dataset, NoDataError, Split
from fastcifar.data.load import load

__all__ = ["DataError", "Dataset", "NoDataError", "Split", "load"]
