"""Many networks in one set of weights: trained together, ranked, searched, taken out."""

from fastcifar.net import calibrate
from fastcifar.supernet.choices import Choices
from fastcifar.supernet.exporting import export, freeze
from fastcifar.supernet.material import Material
from fastcifar.supernet.plan import SupernetPlan
from fastcifar.supernet.predict.predictors import Judged, judge, pareto, predicted
from fastcifar.supernet.predict.ranking import CostLimits, networks
from fastcifar.supernet.predict.scoring import Score, scores
from fastcifar.supernet.record import Record, read_record
from fastcifar.supernet.supernet import Supernet
from fastcifar.supernet.training import load_supernet, resume_supernet, train_supernet

Plan = SupernetPlan  # the names that docs/supernet.md uses
Limits = CostLimits

__all__ = [
    "Choices",
    "CostLimits",
    "Judged",
    "Limits",
    "Material",
    "Plan",
    "Record",
    "Score",
    "Supernet",
    "SupernetPlan",
    "calibrate",
    "export",
    "freeze",
    "judge",
    "load_supernet",
    "networks",
    "pareto",
    "predicted",
    "read_record",
    "resume_supernet",
    "scores",
    "train_supernet",
]
