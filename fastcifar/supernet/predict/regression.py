"""A small regression: the accuracy that a network would reach alone, from a few trainings, with intervals.

Bayesian linear regression of log(error) on log-widths, depths and parts, each divided by its standard deviation. Each
slope is a shared term plus a per-feature deviation, both shrunk by the evidence. With the shared term alone the
regression goes by the sum of log-widths. A supernet's loss can be one more feature, whose slope has no shared term. The
answer is the mean over a grid of prior widths, each weighted by its evidence (MacKay 1992, who takes the best one).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy.stats import t as student

from fastcifar.search import Params

LEAST = 4  # trainings that a fit needs
FLOOR = 1e-4  # the smallest error that is told from 0: half of one image of the holdout's 5,000
RATIOS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # a slope's prior standard deviation over the noise's


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The posterior of log(error) at features (n, d): `level` at `centre`, and slopes of the features over `scale`.

    slopes, covariance: posterior mean (d,) and covariance (d, d) of the slopes.
    noise: variance of log(error) between trainings of one network. trainings: number of trainings in the fit.
    freedom: degrees of freedom of Student's t: trainings - 1 - d, at least 2. The model itself has trainings - 1, but
        intervals of that are too short where log(error) is not quite linear.
    """

    centre: np.ndarray
    scale: np.ndarray
    level: float
    slopes: np.ndarray
    covariance: np.ndarray
    noise: float
    trainings: int
    freedom: int

    def __call__(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation, (n,) each, of log(error) in one training of networks with features (n, d)."""
        x = (features - self.centre) / self.scale
        variance = np.einsum("ij,jk,ik->i", x, self.covariance, x) + self.noise * (1 + 1 / self.trainings)
        return self.level + x @ self.slopes, np.sqrt(variance)

    def interval(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean, and half the width of the 95 % interval of one training, by Student's t: (n,) each."""
        mean, deviation = self(features)
        return mean, float(student.ppf(0.975, self.freedom)) * deviation


def features(points: Sequence[Params], values: Mapping[str, Sequence[Any]]) -> np.ndarray:
    """The features of points, (n, d): log2 of a width, a depth or kernel as it is, and 0 or 1 for each part of a list.

    Features grow with the network: for `leave_out` a part counts as 1 where the list does not have it.
    values: all values of each key, as `Choices.values` has them; a key with one value has no column.
    """
    columns: list[list[float]] = []
    for key, options in values.items():
        if len(options) < 2:
            continue
        if all(isinstance(option, (int, float)) for option in options):
            number = np.log2 if min(options) > 0 and not key.startswith(("ks", "extra_layers")) else float
            columns.append([float(number(point[key])) for point in points])
            continue
        parts = list(dict.fromkeys(part for option in options for part in option))
        there = key != "leave_out"
        columns += [[float((part in point[key]) == there) for point in points] for part in parts]
    return np.array(columns, dtype=float).T.reshape(len(points), len(columns))


def fit(x: np.ndarray, accuracy: np.ndarray, spread: np.ndarray | None = None, apart: int = 0) -> Fit:
    """Fit accuracies (n,), shares of 1, by features (n, d).

    spread: features (m, d) whose standard deviations scale those of the fit; by default its own.
    apart: number of features, the last ones, whose slopes have no shared term and a prior width of their own.
    Raises ValueError where there are fewer trainings than LEAST.
    """
    if len(x) < LEAST:
        raise ValueError(f"a fit needs at least {LEAST} trainings, not {len(x)}")
    n, d = x.shape
    y = np.log(np.maximum(1 - accuracy, FLOOR))
    scale = (x if spread is None else spread).std(0)
    scale = np.where(scale > 0, scale, 1.0)
    design, rest = (x - x.mean(0)) / scale, y - y.mean()
    priors = _priors(d - apart, apart)
    inner = np.eye(d) + design.T @ design @ priors
    spreads = priors @ np.linalg.inv(inner)  # of the slopes, over the noise's variance
    slopes = spreads @ (design.T @ rest)
    squares = np.maximum(rest @ rest - slopes @ (design.T @ rest), 1e-12 * n)
    # The prior is flat for the constant, and flat in the logarithm for the noise.
    evidence = -0.5 * (np.linalg.slogdet(inner)[1] + (n - 1) * np.log(squares))
    weights = np.exp(evidence - evidence.max())
    weights /= weights.sum()
    noise, mean = squares / (n - 1), weights @ slopes
    covariance = np.einsum("g,gij->ij", weights * noise, spreads)
    covariance += np.einsum("g,gi,gj->ij", weights, slopes - mean, slopes - mean)
    return Fit(
        centre=x.mean(0),
        scale=scale,
        level=float(y.mean()),
        slopes=mean,
        covariance=covariance,
        noise=float(weights @ noise),
        trainings=n,
        freedom=max(2, n - d - 1),
    )


def _priors(together: int, apart: int) -> np.ndarray:
    """Prior covariances of the slopes, divided by the noise's variance, for all widths in RATIOS: (k, d, d)."""
    widths = np.array(list(product(RATIOS, repeat=3 if apart else 2)))
    common, own = (widths[:, column, None, None] ** 2 for column in (0, 1))
    priors = np.zeros((len(widths), together + apart, together + apart))
    priors[:, :together, :together] = common + own * np.eye(together)
    priors[:, together:, together:] = widths[:, -1, None, None] ** 2 * np.eye(apart)
    return priors


def left_out(x: np.ndarray, accuracy: np.ndarray, spread: np.ndarray | None = None, apart: int = 0) -> np.ndarray:
    """The log(error) of each training, (n,), predicted by a fit to the others. Arguments as for `fit`."""
    everything = np.arange(len(x))
    fits = (fit(x[everything != i], accuracy[everything != i], spread, apart) for i in everything)
    return np.array([one(x[i : i + 1])[0][0] for i, one in enumerate(fits)])


def spread_out(x: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Indices of the `count` points of features (n, d) that together tell a fit the most.

    A greedy D-optimal design: each next point is the one whose prediction is the least certain after those before it.
    The order is that of the choice, so the first few are the design for fewer points.
    """
    scale = np.where(x.std(0) > 0, x.std(0), 1.0)
    design = _with_constant((x - x.mean(0)) / scale)
    covariance = np.eye(design.shape[1])
    order = np.random.default_rng(seed).permutation(len(x))  # decides between equals
    chosen: list[int] = []
    for _ in range(min(count, len(x))):
        unsure = np.einsum("ij,jk,ik->i", design, covariance, design)
        unsure[chosen] = -1.0
        index = int(order[np.argmax(np.round(unsure[order], 9))])
        chosen.append(index)
        row = covariance @ design[index]
        covariance -= np.outer(row, row) / (0.1 + design[index] @ row)
    return np.array(chosen, dtype=np.intp)


def _with_constant(x: np.ndarray) -> np.ndarray:
    return np.column_stack([x, np.ones(len(x))])
