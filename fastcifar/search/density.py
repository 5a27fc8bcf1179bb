"""A mixture of product kernels over a search space: the densities of TPE.

Each component is a point of the space: its density is the product over the parameters of a kernel around the point's
value. The last component is the prior. A component that does not have a parameter (its branch was not taken there)
has the prior's density for it; a point that does not have it is judged by the others.
"""

import math

import numpy as np
from scipy.special import ndtr, ndtri

from fastcifar.search.spaces.parameter import Parameter
from fastcifar.search.spaces.space import Space

LOG_ROOT_2_PI = 0.5 * math.log(2 * math.pi)
CHUNK = 15_000  # numbers of a temporary array: 120 KB, which the memory allocator still keeps at hand
FAR = -600.0  # logarithms of less are as good as 0, and numbers below 1e-308 are slow
FEW = 64  # values: with no more, all kernels are made at once
TINY = 1e-300  # stands for 0 where a logarithm is taken


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
        # The logarithm of a Gaussian kernel is a polynomial of the value, so that one product gives the sum over all
        # such parameters and the weights; (m, n + 1), as is everything that is added to it.
        powers, coefficients = [np.ones((1, len(points)))], [np.log(np.maximum(self.weights, TINY))[None]]
        tables, masses = [], []
        missing = np.isnan(points)
        nested = bool(missing.any())
        filled = np.where(missing, 0, points) if nested else points
        for column, kernel in enumerate(self.kernels):
            centres, values = self.rows[:, column], filled[:, column]
            if isinstance(kernel, _Line):
                powers.append(kernel.powers(values))
                coefficients.append(kernel.coefficients(centres))
                said = powers[-1].T
            elif isinstance(kernel, _Cells) and kernel.count > max(FEW, len(centres)):
                said = kernel.between(values.astype(np.intp), centres)
                masses.append(said)
            else:
                said = kernel.table(values.astype(np.intp))
                tables.append((said, _places(centres, kernel.count)))
            if nested:
                said[missing[:, column]] = 0  # a parameter that a point does not have says nothing
        left, right = np.concatenate(powers).T, np.concatenate(coefficients)
        total = np.empty(len(points))
        chunk = max(1, CHUNK // right.shape[1])
        for start in range(0, len(points), chunk):
            part = slice(start, start + chunk)
            joint = left[part] @ right
            for table, places in tables:
                joint += table[part].take(places, axis=1)
            for mass in masses:
                joint += mass[part]
            highest = joint.max(1, keepdims=True)
            np.maximum(joint - highest, FAR, out=joint)
            total[part] = np.log(np.exp(joint, out=joint).sum(1)) + highest[:, 0]
        return total

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw points (n, D)."""
        component = np.searchsorted(np.cumsum(self.weights)[:-1], rng.random(n), side="right")
        component.sort()  # those of the prior last
        count = int(np.searchsorted(component, len(self.rows)))
        drawn = np.concatenate([self.rows[component[:count]], self.space.sample(rng, n - count)])
        known = ~np.isnan(drawn[:count])
        for column, kernel in enumerate(self.kernels):
            here = np.flatnonzero(known[:, column])
            drawn[here, column] = kernel.sample(rng, drawn[here, column])
        for column, parameter in enumerate(self.space.parameters):
            if parameter.parent is not None:
                choice, option = parameter.parent
                outside = drawn[:, choice] != option
                drawn[outside, column] = np.nan
                missing = ~outside & np.isnan(drawn[:, column])
                drawn[missing, column] = parameter.sample(rng, int(missing.sum()))
        return drawn


class _Codes:
    """A finite parameter that is not ordered: `bandwidth` is spread over all values (Aitchison and Aitken 1976)."""

    def __init__(self, parameter: Parameter, bandwidth: float) -> None:
        assert parameter.values is not None
        self.count, self.bandwidth = len(parameter.values), bandwidth

    def table(self, values: np.ndarray) -> np.ndarray:
        """Log masses of values (m,) around each value of the parameter, the last column by the prior. (m, V + 1)"""
        spread = self.bandwidth / self.count
        masses = np.full((len(values), self.count + 1), spread)
        masses[np.arange(len(values)), values] += 1 - self.bandwidth
        masses[:, -1] = 1 / self.count
        logs: np.ndarray = np.log(np.maximum(masses, TINY))
        return logs

    def sample(self, rng: np.random.Generator, centres: np.ndarray) -> np.ndarray:
        anew = rng.random(len(centres)) < self.bandwidth
        return np.where(anew, rng.integers(0, self.count, len(centres)), centres)


class _Cells:
    """An ordered finite parameter: a Gaussian around the middle of the centre's cell, integrated over each cell."""

    def __init__(self, parameter: Parameter, bandwidth: float) -> None:
        assert parameter.cells is not None
        self.edges, self.middles = parameter.cells, parameter.middles
        self.count = len(self.middles)
        self.width = self.edges[-1] - self.edges[0]
        self.sigma = bandwidth * self.width
        self.logs: np.ndarray | None = None
        if self.count <= FEW:
            self.logs = self._logs(self.edges[:-1], self.edges[1:], self.middles)

    def table(self, values: np.ndarray) -> np.ndarray:
        """Log masses of values (m,) around each value of the parameter, the last column by the prior. (m, V + 1)"""
        if self.logs is not None:
            known: np.ndarray = self.logs[values]
            return known
        return self._logs(self.edges[values], self.edges[values + 1], self.middles)

    def between(self, values: np.ndarray, centres: np.ndarray) -> np.ndarray:
        """Log masses of values (m,) around centres (n,), the last column by the prior; a missing centre has it, too.

        What `table` gives for these columns, where it would have far more. (m, n + 1)
        """
        missing = np.isnan(centres)
        middles = self.middles[np.where(missing, 0, centres).astype(np.intp)]
        logs = self._logs(self.edges[values], self.edges[values + 1], middles)
        if missing.any():
            logs[:, :-1][:, missing] = logs[:, -1:]
        return logs

    def sample(self, rng: np.random.Generator, centres: np.ndarray) -> np.ndarray:
        middles = self.middles[centres.astype(np.intp)]
        below, inside = self._inside(middles)
        drawn = middles + self.sigma * ndtri(below + inside * rng.random(len(centres)))
        values: np.ndarray = np.searchsorted(self.edges[1:-1], drawn, side="right").astype(float)
        return values

    def _logs(self, low: np.ndarray, high: np.ndarray, middles: np.ndarray) -> np.ndarray:
        """Log masses of cells between edges (m,), by a Gaussian around each middle (n,) and by the prior. (m, n + 1)"""
        masses = np.empty((len(low), len(middles) + 1))
        np.divide(self._below(high, middles) - self._below(low, middles), self._inside(middles)[1], out=masses[:, :-1])
        np.divide(high - low, self.width, out=masses[:, -1])
        logs: np.ndarray = np.log(np.maximum(masses, TINY, out=masses), out=masses)
        return logs

    def _inside(self, middles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The share of each Gaussian that lies below the first edge, and the share between first and last. (n,)"""
        below, above = self._below(self.edges[[0, -1]], middles)
        return below, above - below

    def _below(self, edges: np.ndarray, middles: np.ndarray) -> np.ndarray:
        """The share of the Gaussian around each middle (n,) that lies below edges (m,). (m, n)"""
        shares: np.ndarray = ndtr((edges[:, None] - middles) / self.sigma)
        return shares


class _Line:
    """A parameter without a list of values: Gaussian kernels in its latent, cut off at its bounds."""

    def __init__(self, parameter: Parameter, bandwidth: float) -> None:
        low, high = parameter.bounds
        self.gaussian = parameter.gaussian
        self.low, self.high = (-math.inf, math.inf) if parameter.gaussian else (low, high)
        self.middle, self.width = (low + high) / 2, high - low
        self.sigma = bandwidth * self.width
        self.prior_sigma = parameter.args[1] if parameter.gaussian else math.inf

    def powers(self, values: np.ndarray) -> np.ndarray:
        """Square, value and 1 of each value (m,), from the middle in units of sigma. (3, m)"""
        scaled = (values - self.middle) / self.sigma
        return np.array([scaled * scaled, scaled, np.ones(len(values))])

    def coefficients(self, centres: np.ndarray) -> np.ndarray:
        """What `powers` are multiplied with to give the log density around centres (n,) and of the prior. (3, n + 1)"""
        n = len(centres)
        scaled = (centres - self.middle) / self.sigma
        coefficients = np.empty((3, n + 1))
        coefficients[0, :n], coefficients[1, :n] = -0.5, scaled
        coefficients[2, :n] = -0.5 * scaled * scaled - (math.log(self.sigma) + LOG_ROOT_2_PI)
        if self.gaussian:
            prior = (-0.5 * (self.sigma / self.prior_sigma) ** 2, 0.0, -math.log(self.prior_sigma) - LOG_ROOT_2_PI)
        else:
            half = self.width / self.sigma / 2
            coefficients[2, :n] -= np.log(ndtr(half - scaled) - ndtr(-half - scaled))
            prior = (0.0, 0.0, -math.log(self.width))
        coefficients[:, n] = prior
        missing = np.isnan(centres)
        if missing.any():
            coefficients[:, :n][:, missing] = np.array(prior)[:, None]
        return coefficients

    def sample(self, rng: np.random.Generator, centres: np.ndarray) -> np.ndarray:
        below = ndtr((self.low - centres) / self.sigma)
        above = ndtr((self.high - centres) / self.sigma)
        drawn = centres + self.sigma * ndtri(below + (above - below) * rng.random(len(centres)))
        return np.minimum(np.maximum(drawn, self.low), self.high)  # np.clip takes four times as long for so few


def _places(centres: np.ndarray, prior: int) -> np.ndarray:
    """Columns of a table for centres (n,) and for the prior; the prior's for one that is not there. (n + 1,)"""
    places = np.empty(len(centres) + 1, np.intp)
    places[:-1] = np.where(np.isnan(centres), prior, centres)
    places[-1] = prior
    return places


def _kernel(parameter: Parameter, bandwidth: float) -> _Codes | _Cells | _Line:
    if parameter.values is None:
        return _Line(parameter, bandwidth)
    return _Cells(parameter, bandwidth) if parameter.ordered else _Codes(parameter, bandwidth)
