"""What the networks of a ground truth reach by themselves, noise taken out: draws from a hierarchical normal model.

An accuracy is a constant, a slope for each log-width, the network's own part and one training's noise, the last two
normal. Flat priors on the slopes and on the standard deviation of the own parts (Gelman 2006), log-flat on the noise's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from supernet_judge import Truth, small

from fastcifar.statistics.tau import Tau, kendall

DRAWS = 2000
REPEATED = 400  # draws whose trainings are repeated, to see how well the own accuracies would foretell them
GRID = 81  # values of each standard deviation


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
    rng, mean = np.random.default_rng(0), truth.single.mean(1)
    design = np.column_stack([truth.design - truth.design.mean(0), np.ones(n)])
    inverse = np.linalg.inv(design.T @ design)
    slopes = inverse @ design.T @ mean
    rest, within = mean - design @ slopes, ((truth.single - mean[:, None]) ** 2).sum()
    freedom = n * (seeds - 1)
    usual = max((within / freedom) ** 0.5, 1e-6)
    own, noise = np.meshgrid(
        np.linspace(0, 3 * mean.std(), GRID), usual * np.exp(np.linspace(-4, 4, GRID) / (2 * freedom) ** 0.5)
    )
    variance = own**2 + noise**2 / seeds  # of a network's mean, around the slopes
    density = -(n - design.shape[1]) * np.log(variance) - rest @ rest / variance
    density -= 2 * freedom * np.log(noise) + within / noise**2
    weights = np.exp((density - density.max()) / 2).ravel()
    drawn = rng.choice(weights.size, DRAWS, p=weights / weights.sum())
    own, noise, variance = (values.ravel()[drawn, None] for values in (own, noise, variance))
    normal = rng.standard_normal((DRAWS, design.shape[1])) @ np.linalg.cholesky(inverse).T
    line = (slopes + variance**0.5 * normal) @ design.T
    centre = line + own**2 / variance * (mean - line)
    spread = own * noise / (seeds * variance) ** 0.5
    return Posterior(accuracy=centre + spread * rng.standard_normal((DRAWS, n)), noise=noise[:, 0])
