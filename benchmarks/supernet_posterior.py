"""What the networks of a ground truth reach by themselves, noise taken out: draws from a hierarchical normal model.

An accuracy is a constant of its seed, a slope for each log-width, the network's own part and one training's noise, the
last two normal. Flat priors on the constants, the slopes and the standard deviation of the own parts (Gelman 2006),
log-flat on the noise's. Some networks may have been trained with more seeds than others, and a seed on another machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from supernet_judge import Truth, small

from fastcifar.statistics.tau import Tau, kendall

DRAWS = 2000
REPEATED = 400  # draws whose trainings are repeated, to see how well the own accuracies would foretell them
RATIOS = np.geomspace(1e-3, 1e4, 281)  # of the own parts' standard deviation to the noise's


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """Draws of the networks' own accuracies (draws, n), of one training's standard deviation (draws,); shares of 1."""

    accuracy: np.ndarray
    noise: np.ndarray

    def regret(self, truth: Truth, said: Sequence[np.ndarray]) -> tuple[float, float, float]:
        """Points that the networks chosen by `said`, (n,) each, lack under half the FLOPs: see `small`.

        Mean over `said`: expected, and the limits of the central 95 %.
        """
        there = small(truth)
        chosen = [int(np.argmax(values[there])) for values in said]
        accuracy = self.accuracy[:, there]
        lacking = 100 * (accuracy.max(1) - accuracy[:, chosen].mean(1))
        low, high = np.quantile(lacking, (0.025, 0.975))
        return float(lacking.mean()), float(low), float(high)

    def tau(self, seeds: int, near: np.ndarray) -> tuple[Tau, Tau]:
        """Tau of the own accuracies with the mean of so many trainings each, over all pairs and those of `near` (n, n).

        No predictor can be expected to do better against such a mean.
        """
        rng = np.random.default_rng(1)
        draws = list(zip(self.accuracy[:REPEATED], self.noise[:REPEATED] / seeds**0.5, strict=True))
        means = [own + noise * rng.standard_normal(len(own)) for own, noise in draws]
        found = []
        for pairs in (np.ones_like(near), near):
            taus = [kendall(own, mean, pairs) for (own, _), mean in zip(draws, means, strict=True)]
            value, (low, high) = float(np.nanmean(taus)), np.nanquantile(taus, (0.025, 0.975))
            found.append(Tau(value=value, low=float(low), high=float(high), pairs=int(np.triu(pairs, 1).sum())))
        return found[0], found[1]


def posterior(truth: Truth) -> Posterior:
    """Draws given all trainings of a truth. Raises ValueError for one seed, which cannot tell the noise."""
    n, seeds = truth.single.shape
    if seeds < 2:
        raise ValueError("a posterior needs trainings with at least 2 seeds")
    every = np.column_stack([truth.single, truth.further])
    network, seed = np.nonzero(~np.isnan(every))
    y, slopes = every[network, seed], truth.design - truth.design.mean(0)
    fixed = np.column_stack([slopes[network], np.eye(every.shape[1])[seed]])
    belongs, widths = np.eye(n)[network], slopes.shape[1]
    count, freedom = belongs.sum(0), len(y) - fixed.shape[1] - 1
    fixed_sum, y_sum = belongs.T @ fixed, belongs.T @ y

    def given(ratio: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, float]:
        """Mean of the fixed effects, a factor of their covariance over the noise's variance, that of the own parts.

        Then the sum of squares, and the log density.
        """
        shrunk = ratio**2 / (1 + ratio**2 * count)
        inverse = np.linalg.inv(fixed.T @ fixed - fixed_sum.T @ (shrunk[:, None] * fixed_sum))
        mean = inverse @ (fixed.T @ y - fixed_sum.T @ (shrunk * y_sum))
        rest = y - fixed @ mean
        squares = max(float(rest @ rest - shrunk @ (belongs.T @ rest) ** 2), 1e-18)
        density = -np.log1p(ratio**2 * count).sum() + np.linalg.slogdet(inverse)[1] - freedom * np.log(squares)
        density = 0.5 * density + np.log(ratio)  # the grid is even in the ratio's logarithm
        return mean, np.linalg.cholesky(inverse), shrunk, squares, density

    found = [given(ratio) for ratio in RATIOS]
    density = np.array([one[-1] for one in found])
    weights = np.exp(density - density.max())
    rng = np.random.default_rng(0)
    accuracy, noise = np.empty((DRAWS, n)), np.empty(DRAWS)
    for draw, place in enumerate(rng.choice(len(RATIOS), DRAWS, p=weights / weights.sum())):
        mean, factor, shrunk, squares, _ = found[place]
        noise[draw] = (squares / rng.chisquare(freedom)) ** 0.5
        effects = mean + noise[draw] * (factor @ rng.standard_normal(len(mean)))
        own = shrunk * (y_sum - fixed_sum @ effects) + noise[draw] * shrunk**0.5 * rng.standard_normal(n)
        accuracy[draw] = slopes @ effects[:widths] + effects[widths : widths + seeds].mean() + own
    return Posterior(accuracy=accuracy, noise=noise)
