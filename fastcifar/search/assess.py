"""Assessors: whether a running trial is worth going on with."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fastcifar.search.history import FINISHED, History


class Assessor(Protocol):
    """Judges a running trial after each of its reports. A pure function of the history, which it does not change.

    Reports may be NaN or infinite. No trial is stopped where a worse one goes on, nor for lack of others to judge it
    by. `fastcifar.testing.check_assessor` holds an assessor against this.
    """

    def assess(self, history: History, trial: int) -> bool:
        """Whether trial `trial` of the history goes on."""
        ...


@dataclass(frozen=True, kw_only=True)
class MedianStop:
    """Stops a trial whose best report is worse than the median of what finished trials had averaged by then.

    As NNI's Medianstop and Google Vizier (Golovin et al. 2017).
    start_step: reports before the first judgement.
    """

    start_step: int = 0

    def assess(self, history: History, trial: int) -> bool:
        """Whether the trial goes on."""
        curve = history.loss_curve(trial)
        step = len(curve)
        if step == 0 or step < self.start_step:
            return True
        others = [history.loss_curve(int(number))[:step] for number in np.flatnonzero(history.states == FINISHED)]
        with np.errstate(invalid="ignore"):  # infinities of both signs have no mean: as bad as NaN
            averages = [other.mean() for other in others if len(other) == step]
        median = np.median(np.nan_to_num(averages, nan=np.inf, posinf=np.inf)) if averages else np.inf
        return bool(curve.min() <= median)


@dataclass(frozen=True, kw_only=True)
class ASHA:
    """Lets the best of each rung go on: asynchronous successive halving (Li et al. 2020, arXiv 1810.05934).

    first: reports at which the first rung lies; the next lie at eta times as many each.
    eta: one in `eta` goes on from a rung; the first trials at a rung go on while they are the best there.
    """

    first: int = 1
    eta: int = 3

    def assess(self, history: History, trial: int) -> bool:
        """Whether the trial goes on."""
        step = len(history.loss_curve(trial))
        rung = self.first
        while rung < step:
            rung *= self.eta
        if rung != step:
            return True
        curves = [history.loss_curve(number) for number in range(len(history))]
        there = np.array([curve[step - 1] for curve in curves if len(curve) >= step])
        better = int((there < history.loss_curve(trial)[-1]).sum())
        return better < max(1, len(there) // self.eta)
