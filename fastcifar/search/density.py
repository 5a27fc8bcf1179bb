"""A mixture of product kernels over a search space: the densities of TPE.

Each component is a point of the space: its density is the product over the parameters of a kernel around the point's
value. The last component is the prior. A component that does not have a parameter (its branch was not taken there)
has the prior's density for it; a point that does not have it is judged by the others.
"""

import math

import numpy as np
from scipy.special import ndtr, ndtri

from fastcifar.search.parameter import Parameter
from fastcifar.search.space import Space

LOG_ROOT_2_PI = 0.5 * math.log(2 * math.pi)


class Density:
    """The mixture over `rows` (n, D) with `weights` (n,) and a prior of weight 1.

    bandwidth: standard deviation of the kernels, as a share of each parameter's range.
    """

    def __init__(self, space: Space, rows: np.ndarray, weights: np.ndarray, bandwidth: float) -> None:
        self.space, self.rows = space, rows
        total = np.append(weights, 1.0)
        self.weights = total / total.sum()
        self.kernels = [_kernel(parameter, bandwidth) for parameter in space.parameters]

    def log(self, points: np.ndarray) -> np.ndarray:
        """Log density of points (m, D): of values of the finite parameters, of latents of the others. (m,)"""
        joint = np.zeros((len(self.rows) + 1, len(points)))
        for column, kernel in enumerate(self.kernels):
            here = ~np.isnan(points[:, column])
            if not here.any():
                continue
            part = kernel.log(self.rows[:, column], points[:, column])
            joint += part if here.all() else np.where(here, part, 0.0)
        joint += np.log(np.maximum(self.weights, 1e-300))[:, None]
        highest = joint.max(0)
        joint -= highest
        total: np.ndarray = np.log(np.exp(joint, out=joint).sum(0)) + highest
        return total

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw points (n, D)."""
        drawn = self.space.sample(rng, n)
        component = np.searchsorted(np.cumsum(self.weights)[:-1], rng.random(n), side="right")
        from_rows = component < len(self.rows)
        centres = np.full((n, len(self.kernels)), np.nan)
        centres[from_rows] = self.rows[component[from_rows]]
        for column, kernel in enumerate(self.kernels):
            known = ~np.isnan(centres[:, column])
            drawn[known, column] = kernel.sample(rng, centres[known, column])
        for column, parameter in enumerate(self.space.parameters):
            if parameter.parent is not None:
                choice, option = parameter.parent
                outside = drawn[:, choice] != option
                drawn[outside, column] = np.nan
                missing = ~outside & np.isnan(drawn[:, column])
                drawn[missing, column] = parameter.sample(rng, int(missing.sum()))
        return drawn


class _Cells:
    """A finite parameter: a table of kernel masses from each value to each value, the last row the prior's."""

    def __init__(self, parameter: Parameter, bandwidth: float) -> None:
        assert parameter.values is not None
        count = len(parameter.values)
        edges = parameter.cells if parameter.ordered else None
        if edges is None:
            # Not ordered: the value itself, and `bandwidth` spread over all (Aitchison and Aitken 1976).
            masses = np.full((count, count), bandwidth / count) + np.eye(count) * (1 - bandwidth)
            prior = np.full(count, 1 / count)
        else:
            middles = (edges[1:] + edges[:-1]) / 2
            scaled = (edges[None, :] - middles[:, None]) / (bandwidth * (edges[-1] - edges[0]))
            masses = np.diff(ndtr(scaled), axis=1)
            masses /= masses.sum(1, keepdims=True)
            prior = np.diff(edges) / (edges[-1] - edges[0])
        self.masses = np.vstack([masses, prior])
        self.log_masses = np.log(np.maximum(self.masses, 1e-300))
        self.sums = np.cumsum(self.masses, axis=1)

    def log(self, centres: np.ndarray, values: np.ndarray) -> np.ndarray:
        count = self.masses.shape[1]
        index = np.append(np.where(np.isnan(centres), count, centres), count).astype(np.intp)
        column = np.where(np.isnan(values), 0, values).astype(np.intp)
        result: np.ndarray = self.log_masses[:, column][index]
        return result

    def sample(self, rng: np.random.Generator, centres: np.ndarray) -> np.ndarray:
        sums = self.sums[centres.astype(np.intp)]
        drawn: np.ndarray = (sums[:, :-1] < rng.random(len(centres))[:, None]).sum(1).astype(float)
        return drawn


class _Line:
    """A parameter without a list of values: Gaussian kernels in its latent, cut off at its bounds."""

    def __init__(self, parameter: Parameter, bandwidth: float) -> None:
        low, high = parameter.bounds
        self.sigma = bandwidth * (high - low)
        self.gaussian = parameter.args[:2] if parameter.gaussian else None
        self.low, self.high = (-math.inf, math.inf) if parameter.gaussian else (low, high)

    def log(self, centres: np.ndarray, values: np.ndarray) -> np.ndarray:
        unknown = np.isnan(centres)
        centres = np.where(unknown, 0.0, centres)
        scaled = (values - centres[:, None]) / self.sigma
        inside = ndtr((self.high - centres) / self.sigma) - ndtr((self.low - centres) / self.sigma)
        kernel = -0.5 * scaled * scaled - (np.log(inside * self.sigma) + LOG_ROOT_2_PI)[:, None]
        prior = self._prior(values)
        kernel[unknown] = prior
        return np.vstack([kernel, prior])

    def sample(self, rng: np.random.Generator, centres: np.ndarray) -> np.ndarray:
        below = ndtr((self.low - centres) / self.sigma)
        above = ndtr((self.high - centres) / self.sigma)
        drawn = centres + self.sigma * ndtri(below + (above - below) * rng.random(len(centres)))
        return np.clip(drawn, self.low, self.high)

    def _prior(self, values: np.ndarray) -> np.ndarray:
        if self.gaussian is None:
            return np.full(len(values), -math.log(self.high - self.low))
        mu, sigma = self.gaussian
        density: np.ndarray = -0.5 * ((values - mu) / sigma) ** 2 - math.log(sigma) - LOG_ROOT_2_PI
        return density


def _kernel(parameter: Parameter, bandwidth: float) -> _Cells | _Line:
    return _Line(parameter, bandwidth) if parameter.values is None else _Cells(parameter, bandwidth)
