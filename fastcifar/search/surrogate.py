"""A Gaussian process over a search space: what a point's loss is expected to be, and how surely.

The kernel is a sum: the mean of one kernel per parameter (main effects, which a few results can tell), and their
product (everything else). Ordered parameters have a Matérn 5/2 kernel on their latent, scaled to a range of 1, the
others exp(-1/length) between unequal values. Lengths, variances and noise maximise the posterior density under weak
log-normal priors (Rasmussen and Williams 2006, chapter 5).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.linalg.blas import dsymv
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.optimize import minimize

from fastcifar.search.spaces.parameter import Parameter
from fastcifar.search.spaces.space import Space

JITTER = 1e-6  # of the diagonal, in units of the variance of the losses
CHUNK = 15_000  # numbers of a temporary array: 120 KB, which the memory allocator still keeps at hand
TINY = 1e-300  # in place of a kernel of 0, where it divides
OWN = 1 / 3  # of what the kernel leaves over; only repeated results could tell it from noise
ROOT_5 = 5**0.5


def scaled(space: Space, rows: np.ndarray) -> np.ndarray:
    """Points (n, D) as the kernel sees them: ordered latents scaled to [0, 1], codes of the others.

    A parameter that a point does not have counts as the middle of its range, or as a value of its own.
    """
    columns = [_scaled(parameter, rows[:, index]) for index, parameter in enumerate(space.parameters)]
    return np.stack(columns, axis=1)


def levelled(losses: np.ndarray) -> np.ndarray:
    """Losses (n,) with mean 0 and variance 1, those above the median drawn in like a logarithm.

    How bad the bad points are says little about the good ones.
    """
    middle = np.median(losses)
    spread = float(np.mean(middle - losses[losses <= middle]))
    scores = (losses - middle) / (spread if spread > 0 else float(losses.std()) or 1.0)
    scores = np.where(scores > 0, np.log1p(np.maximum(scores, 0)), scores)
    result: np.ndarray = (scores - scores.mean()) / (scores.std() or 1.0)
    return result


@dataclass(frozen=True)
class Kernel:
    """lengths (D,) of the parameters; variances of the sum over parameters, of the product, of what they leave over.

    Of what they leave over, OWN is the point's own, and would be there again; the rest is noise of a single result.
    """

    ordered: np.ndarray
    lengths: np.ndarray
    main: float
    joint: float
    rest: float

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Covariances of points a (n, D) and b (m, D), as `scaled` gives them, without the rest. (n, m)"""
        covariance = np.empty((len(a), len(b)))
        chunk = max(1, CHUNK // len(b))
        for start in range(0, len(a), chunk):
            part = slice(start, start + chunk)
            covariance[part] = self._block(a[part], b)
        return covariance

    def _block(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        total, product = np.zeros((len(a), len(b))), np.ones((len(a), len(b)))
        for ordered, length, x, y in zip(self.ordered, self.lengths, a.T, b.T, strict=True):
            if ordered:
                far = np.abs(np.subtract.outer(x * (ROOT_5 / length), y * (ROOT_5 / length)))
                part = far * far
                part /= 3
                part += far
                part += 1
                part *= np.exp(np.negative(far, out=far), out=far)
            else:
                part = np.where(np.equal.outer(x, y), 1.0, np.exp(-1 / length))
            total += part
            product *= part
        total *= self.main / len(self.lengths)
        product *= self.joint
        total += product
        return total


class Surrogate:
    """The process given results: points (n, D) as `scaled` gives them, scores (n,), numbers of results (n,)."""

    def __init__(self, kernel: Kernel, points: np.ndarray, scores: np.ndarray, counts: np.ndarray) -> None:
        self.kernel, self.points, self.scores, self.counts = kernel, points, scores, counts
        self.factor = np.linalg.cholesky(kernel(points, points) + np.diag(kernel.rest * _shares(counts) + JITTER))
        self.weights = cho_solve((self.factor, True), scores)

    def __call__(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the scores of points (m, D) that were not tried, without noise."""
        across = self.kernel(self.points, points)
        explained = solve_triangular(self.factor, across, lower=True, check_finite=False)
        variance = self.kernel.main + self.kernel.joint - (explained * explained).sum(0)
        return across.T @ self.weights, np.sqrt(np.maximum(variance, 1e-12))

    def known(self) -> np.ndarray:
        """Means of the scores of the points that were tried, (n,)."""
        rest = self.kernel.rest * _shares(self.counts) + JITTER
        means: np.ndarray = self.scores - (rest - OWN * self.kernel.rest) * self.weights
        return means

    def with_expected(self, points: np.ndarray) -> "Surrogate":
        """The process as if points (m, D) had given what is expected of them: surer there, but no better."""
        means, _ = self(points)
        return Surrogate(
            self.kernel,
            np.concatenate([self.points, points]),
            np.concatenate([self.scores, means]),
            np.concatenate([self.counts, np.ones(len(points))]),
        )


def fitted(space: Space, points: np.ndarray, scores: np.ndarray, counts: np.ndarray) -> Kernel:
    """The kernel that fits results best: points (n, D), scores (n,), numbers of results (n,)."""
    ordered = np.array([parameter.ordered for parameter in space.parameters])
    return _fitted(*(array.tobytes() for array in (points, scores, _shares(counts), ordered)))


def _shares(counts: np.ndarray) -> np.ndarray:
    """The share of `rest` that remains in the mean of so many results."""
    shares: np.ndarray = OWN + (1 - OWN) / counts
    return shares


@lru_cache(maxsize=16)
def _fitted(points_bytes: bytes, scores_bytes: bytes, shares_bytes: bytes, ordered_bytes: bytes) -> Kernel:
    ordered, scores = np.frombuffer(ordered_bytes, bool), np.frombuffer(scores_bytes)
    shares = np.frombuffer(shares_bytes)
    points = np.frombuffer(points_bytes).reshape(len(scores), len(ordered))
    n, dimensions = points.shape
    above = np.triu_indices(n, 1)  # each pair of points once; the kernel of a point with itself is 1
    columns = np.ascontiguousarray(points.T)
    distances = [np.abs(column[above[0]] - column[above[1]]) for column in columns]
    distances = [d if is_ordered else (d > 0).astype(float) for d, is_ordered in zip(distances, ordered, strict=True)]
    # The prior: lengths of about half the range, more of it where there are more parameters; a rest of a few percent.
    centre = np.log([*np.where(ordered, 0.5 * dimensions**0.25, 1.0), 0.5, 0.5, 0.05])
    width = np.array([1.0] * dimensions + [1.0, 1.0, 1.5])

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Negative log posterior, up to a constant, and its gradient."""
        lengths, (main, joint, rest) = np.exp(theta[:dimensions]), np.exp(theta[dimensions:])
        pairs = [
            _part(d / length, is_ordered) for d, length, is_ordered in zip(distances, lengths, ordered, strict=True)
        ]
        mean, product = np.zeros(len(above[0])), np.ones(len(above[0]))
        for part, _ in pairs:
            mean += part / dimensions
            product *= part
        covariance = np.zeros((n, n))
        covariance[above] = main * mean + joint * product
        np.fill_diagonal(covariance, main + joint + rest * shares + JITTER)
        factor, failed = dpotrf(covariance, lower=0)
        if failed:
            return 1e10, np.zeros_like(theta)
        inverse, _ = dpotri(factor, lower=0)  # its upper triangle
        weights = dsymv(1.0, inverse, scores)
        gap = (theta - centre) / width
        value = 0.5 * scores @ weights + np.log(np.diag(factor)).sum() + 0.5 * gap @ gap
        pull = inverse[above] - weights[above[0]] * weights[above[1]]  # of both halves of the matrix
        own = 0.5 * (np.diag(inverse) - weights * weights)
        inner = pull * product
        # The slope of a kernel by the logarithm of its length; in the product the other factors stay.
        gradient = [
            main / dimensions * (pull @ slope) + joint * (inner @ (slope / np.maximum(part, TINY)))
            for part, slope in pairs
        ]
        gradient += [main * (pull @ mean + own.sum()), joint * (inner.sum() + own.sum()), rest * (own @ shares)]
        return float(value), np.array(gradient) + gap / width

    far = list(zip(centre - 7 * width, centre + 7 * width, strict=True))  # beyond, exp would overflow
    theta = minimize(objective, centre, jac=True, bounds=far, method="L-BFGS-B", options={"maxiter": 30}).x
    main, joint, rest = (float(value) for value in np.exp(theta[dimensions:]))
    return Kernel(ordered, np.exp(theta[:dimensions]), main, joint, rest)


def _scaled(parameter: Parameter, column: np.ndarray) -> np.ndarray:
    missing = np.isnan(column)
    if not parameter.ordered:
        return np.where(missing, -1.0, column)
    low, high = parameter.bounds
    if parameter.cells is not None:
        middles = (parameter.cells[1:] + parameter.cells[:-1]) / 2
        column = middles[np.where(missing, 0, column).astype(np.intp)]
    return np.where(missing, 0.5, (column - low) / (high - low))


def _part(distance: np.ndarray, ordered: bool) -> tuple[np.ndarray, np.ndarray]:
    """One parameter's kernel at distances in units of its length, and its derivative by the logarithm of that."""
    if not ordered:
        decay = np.exp(-distance)
        return decay, distance * decay
    far = ROOT_5 * distance
    decay, square = np.exp(-far), far * far / 3
    return (1 + far + square) * decay, square * (1 + far) * decay
