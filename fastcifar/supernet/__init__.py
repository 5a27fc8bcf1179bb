"""Many networks in one set of weights."""

from fastcifar.supernet.calibrate import calibrate
from fastcifar.supernet.choices import Choices
from fastcifar.supernet.plan import Plan
from fastcifar.supernet.record import Record, read_record
from fastcifar.supernet.scores import Score, scores
from fastcifar.supernet.supernet import Supernet
from fastcifar.supernet.training import load_supernet, resume_supernet, train_supernet

__all__ = [
    "Choices",
    "Plan",
    "Record",
    "Score",
    "Supernet",
    "calibrate",
    "load_supernet",
    "read_record",
    "resume_supernet",
    "scores",
    "train_supernet",
]
