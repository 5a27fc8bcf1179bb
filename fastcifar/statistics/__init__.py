"""Statistics of a few numbers: means, shares and paired differences, each with its 95 % interval."""

from fastcifar.statistics.bootstrap import bootstrap_interval
from fastcifar.statistics.estimate import Estimate, Share
from fastcifar.statistics.interval import few, interval
from fastcifar.statistics.paired import Paired, paired, ratio
from fastcifar.statistics.power import MIN_PAIRS, detectable, pairs_needed, power
from fastcifar.statistics.selected import selection_factor
from fastcifar.statistics.student import t_half

__all__ = [
    "MIN_PAIRS",
    "Estimate",
    "Paired",
    "Share",
    "bootstrap_interval",
    "detectable",
    "few",
    "interval",
    "paired",
    "pairs_needed",
    "power",
    "ratio",
    "selection_factor",
    "t_half",
]
