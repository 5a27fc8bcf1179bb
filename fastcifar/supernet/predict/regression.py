"""A small regression: what a network would reach alone, from a few trainings; with an interval for each prediction.

Bayesian linear regression of log(error) on log-widths, depths and parts, all scaled alike. A slope is a common one,
which is what the sum of log-widths goes by, and its own departure from it: slopes are alike as far as the trainings say
so. A supernet's loss can be one feature more, with a slope apart. The answer is the mean over a grid of the priors'
widths, each weighted by its evidence (MacKay 1992, who takes the best).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy.stats import t as student

from fastcifar.search import Params

LEAST = 4  # trainings for a fit
FLOOR = 1e-4  # of an error: one wrong image in the holdout's 5,000 and less say the same
RATIOS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # of a slope's prior deviation to the noise's


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The posterior of log(error) at features (n, d): `level` at `centre`, and slopes of the features over `scale`.

    slopes, covariance: mean (d,) and covariance (d, d). noise: variance of a single training's log(error).
    trainings: so many there were. freedom: of Student's t, as if each slope took one of them; less than the model's own
        trainings - 1, with which intervals are too short where log(error) is not quite linear.
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
        """Mean and standard deviation of what single trainings of networks with features (n, d) give: (n,) each."""
        x = (features - self.centre) / self.scale
        variance = np.einsum("ij,jk,ik->i", x, self.covariance, x) + self.noise * (1 + 1 / self.trainings)
        return self.level + x @ self.slopes, np.sqrt(variance)

    def interval(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean, and half of the 95 % interval of a single training, by Student's t: (n,) each."""
        mean, deviation = self(features)
        return mean, float(student.ppf(0.975, self.freedom)) * deviation


def features(points: Sequence[Params], values: Mapping[str, Sequence[Any]]) -> np.ndarray:
    """What is regressed on, (n, d): a number is a log-width, or a depth or kernel as it is; of a list, what is in it.

    The more of a network is there, the larger they are: of `leave_out` it is what is not in the list.

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
    """Fit features (n, d) to accuracies (n,), shares of 1. spread: features (m, d) by which they are scaled.

    apart: so many of the last features have no part in the common slope, and a prior width of their own.
    Raises ValueError where there are too few trainings, named.
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
    # Flat prior on the constant, log-flat on the noise.
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
    """Covariances of slopes, over the noise's variance, for all widths in RATIOS: (k, d, d)."""
    widths = np.array(list(product(RATIOS, repeat=3 if apart else 2)))
    common, own = (widths[:, column, None, None] ** 2 for column in (0, 1))
    priors = np.zeros((len(widths), together + apart, together + apart))
    priors[:, :together, :together] = common + own * np.eye(together)
    priors[:, together:, together:] = widths[:, -1, None, None] ** 2 * np.eye(apart)
    return priors


def left_out(x: np.ndarray, accuracy: np.ndarray, spread: np.ndarray | None = None, apart: int = 0) -> np.ndarray:
    """What is predicted of each training, log(error), by a fit to the others. (n,)"""
    everything = np.arange(len(x))
    fits = (fit(x[everything != i], accuracy[everything != i], spread, apart) for i in everything)
    return np.array([one(x[i : i + 1])[0][0] for i, one in enumerate(fits)])


def spread_out(x: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Indices of `count` points of features (n, d) that tell the most together, each in turn the least foreseen one.

    A D-optimal design, chosen greedily. Sorted by turn, so that fewer of them are the best of those, too.
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
