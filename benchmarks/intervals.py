"""How often the 95 % intervals of few numbers hold the true mean: Student's t, what mends it, three kinds of bootstrap.

    python benchmarks/intervals.py [--samples 4000]

`compare` decides by Student's t and shows the studentised bootstrap beside it; `as printed` is what the mean of runs of
one recipe has: both together, where the numbers are skewed. Percentile and BCa are `scipy.stats.bootstrap`. Johnson's
modified t (JASA 73, 1978) and Hall's transformation (JRSS B 54, 1992) correct Student's t by the sample's skewness.
No training: the numbers are drawn. Writes results/intervals.md.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy import stats

from fastcifar.statistics import bootstrap_interval, interval, t_half
from fastcifar.statistics.interval import skewness

RESULTS = Path(__file__).parent / "results"
SIZES = (3, 5, 10, 20)
RESAMPLES = 999
Array = NDArray[np.float64]


def accuracies(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Array, float]:
    """Differences of two runs' accuracies: 94 % of 10,000 images, and 0.1 points more between seeds."""
    first, second = (rng.binomial(10_000, rng.normal(0.94, 0.001, shape)) / 10_000 for _ in range(2))
    return second - first, 0.0


def skewed(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Array, float]:
    """Differences whose one tail is longer (log-normal, 0.5)."""
    return rng.lognormal(0, 0.5, shape), float(np.exp(0.125))


def hiccups(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Array, float]:
    """Differences of times: 1 run in 10 of each recipe waits for 5 standard deviations on average."""

    def waits() -> Array:
        return np.where(rng.random(shape) < 0.1, rng.exponential(5, shape), 0)

    return rng.normal(size=shape) + waits() - waits(), 0.0


def exponential(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Array, float]:
    """Numbers with a least value and a long tail, such as times."""
    return rng.exponential(1, shape), 1.0


def lognormal(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Array, float]:
    """A longer tail (log-normal, 1)."""
    return rng.lognormal(0, 1, shape), float(np.exp(0.5))


KINDS: dict[str, Callable[..., tuple[Array, float]]] = {
    "accuracies": accuracies,
    "skewed": skewed,
    "times with hiccups": hiccups,
    "exponential": exponential,
    "log-normal": lognormal,
}


def intervals(values: Array) -> dict[str, tuple[Array, Array]]:
    """The bounds of each kind of interval of values (samples, n)."""
    mean, half = values.mean(1), t_half(values)
    found = {"Student's t": (mean - half, mean + half), "as printed": interval(values, RESAMPLES)[:2]}
    found["Johnson's t"], found["Hall's t"] = johnson(values), hall(values)
    if values.shape[1] >= 5:
        found["studentised bootstrap"] = bootstrap_interval(values, RESAMPLES)
    for name, method in (("percentile bootstrap", "percentile"), ("BCa bootstrap", "BCa")):
        rng = np.random.default_rng(0)
        low, high = stats.bootstrap(
            (values,), np.mean, axis=1, n_resamples=RESAMPLES, method=method, rng=rng
        ).confidence_interval
        found[name] = (low, high)
    return found


def johnson(values: Array) -> tuple[Array, Array]:
    """Student's interval, moved towards the longer tail."""
    n, half = values.shape[1], t_half(values)
    middle = values.mean(1) + skewness(values) * values.std(1, ddof=1) / (6 * n)
    return middle - half, middle + half


def hall(values: Array) -> tuple[Array, Array]:
    """The inverse of the cubic that takes the skewness out of (mean - true mean) / standard deviation."""
    n, g = values.shape[1], skewness(values)
    g = np.where(abs(g) < 1e-6, 1e-6, g)
    limit = stats.t.ppf(0.975, n - 1) / n**0.5

    def untransformed(t: float) -> Array:
        result: Array = (np.cbrt(1 + g * (t - g / (6 * n))) - 1) * 3 / g
        return result

    mean, sd = values.mean(1), values.std(1, ddof=1)
    return mean - sd * untransformed(limit), mean - sd * untransformed(-limit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=4000, help="of each kind and size")
    samples = parser.parse_args().samples
    lines = [
        "# How often a 95 % interval holds the mean",
        "",
        f"Percent of {samples:,} samples of n numbers, {RESAMPLES} resamples each; numpy {np.__version__}, scipy "
        f"{scipy.__version__}. The standard error is {100 * (0.95 * 0.05 / samples) ** 0.5:.1f} at 95. "
        "Made by `benchmarks/intervals.py`, which says what the kinds are.",
        "",
        "| kind | interval | " + " | ".join(f"n = {n}" for n in SIZES) + " |",
        "| --- | --- |" + " --- |" * len(SIZES),
    ]
    for kind, draw in KINDS.items():
        held: dict[str, list[str]] = {}
        for i, n in enumerate(SIZES):
            values, mean = draw(np.random.default_rng(n), (samples, n))
            for name, (low, high) in intervals(values).items():
                cell = f"{100 * np.mean((low <= mean) & (mean <= high)):.1f}"
                held.setdefault(name, ["-"] * len(SIZES))[i] = cell
        lines += [f"| {kind} | {name} | {' | '.join(cells)} |" for name, cells in held.items()]
    text = "\n".join(lines) + "\n"
    print(text)
    (RESULTS / "intervals.md").write_text(text)


if __name__ == "__main__":
    main()
