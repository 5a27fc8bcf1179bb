"""A small regression: what a network would reach alone, from a few trainings; with an interval for each prediction.

Bayesian linear regression of log(error) on log-widths, depths and parts, all scaled alike; the widths of the priors of
weights and noise are those of the highest evidence (MacKay 1992). A supernet's loss can be one feature more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.stats import t as student

from fastcifar.search import Params

LEAST = 4  # trainings for a fit
FLOOR = 1e-4  # of an error: one wrong image in the holdout's 5,000 and less say the same


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The posterior. centre, scale: of the features (d,); mean, covariance: of their weights and the constant (d + 1,).

    noise: variance of a single training's log(error). freedom: trainings beyond the numbers that were fitted.
    """

    centre: np.ndarray
    scale: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    noise: float
    freedom: int

    def __call__(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of what single trainings of networks with features (n, d) give: (n,) each."""
        x = _with_constant((features - self.centre) / self.scale)
        return x @ self.mean, np.sqrt(np.einsum("ij,jk,ik->i", x, self.covariance, x) + self.noise)

    def interval(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean, and half of the 95 % interval of a single training, by Student's t: (n,) each."""
        mean, deviation = self(features)
        return mean, float(student.ppf(0.975, self.freedom)) * deviation


def features(points: Sequence[Params], values: Mapping[str, Sequence[Any]]) -> np.ndarray:
    """What is regressed on, (n, d): a number is a log-width, or a depth or kernel as it is; of a list, what is in it.

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
        columns += [[float(part in point[key]) for point in points] for part in parts]
    return np.array(columns, dtype=float).T.reshape(len(points), len(columns))


def fit(x: np.ndarray, accuracy: np.ndarray, spread: np.ndarray | None = None) -> Fit:
    """Fit features (n, d) to accuracies (n,), shares of 1. spread: features (m, d) by which they are scaled.

    Raises ValueError where there are too few trainings, named.
    """
    if len(x) < LEAST:
        raise ValueError(f"a fit needs at least {LEAST} trainings, not {len(x)}")
    y = np.log(np.maximum(1 - accuracy, FLOOR))
    wide = x if spread is None else spread
    centre, scale = wide.mean(0), wide.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    design = _with_constant((x - centre) / scale)
    flat = 1e4 * max(float(y @ y) / len(y), 1e-6)  # the constant's prior variance, as good as no prior

    def posterior(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Mean and covariance of the weights for log-variances (of a weight, of the noise); minus the log evidence."""
        prior, noise = np.exp(theta[0]) * np.ones(design.shape[1]), float(np.exp(theta[1]))
        prior[-1] = flat
        precision = design.T @ design / noise + np.diag(1 / prior)
        weights = np.linalg.solve(precision, design.T @ y) / noise
        rest = y - design @ weights
        loss = rest @ rest / noise + weights @ (weights / prior)
        loss += np.linalg.slogdet(precision)[1] + np.log(prior).sum() + len(y) * np.log(noise)
        return weights, np.linalg.inv(precision), 0.5 * float(loss)

    variance = max(float(y.var()), 1e-8)
    start = np.log([variance / max(1, x.shape[1]), variance / 10])

    def objective(theta: np.ndarray) -> float:
        # Weak priors keep a handful of trainings from an answer that is too sure of itself.
        return posterior(theta)[2] + float(((theta - start) ** 2).sum()) / (2 * 2.0**2)

    theta = minimize(objective, start, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-6}).x
    mean, covariance, _ = posterior(theta)
    return Fit(
        centre=centre,
        scale=scale,
        mean=mean,
        covariance=covariance,
        noise=float(np.exp(theta[1])),
        freedom=max(2, len(y) - design.shape[1]),
    )


def left_out(x: np.ndarray, accuracy: np.ndarray, spread: np.ndarray | None = None) -> np.ndarray:
    """What is predicted of each training, log(error), by a fit to the others. (n,)"""
    everything = np.arange(len(x))
    return np.array(
        [fit(x[everything != i], accuracy[everything != i], spread)(x[i : i + 1])[0][0] for i in everything]
    )


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
