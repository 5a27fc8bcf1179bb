"""How often the 95 % intervals of few numbers hold the true mean: Student's t, and three kinds of bootstrap.

    python benchmarks/intervals.py [--samples 4000]

`compare` decides by Student's t and shows the studentised bootstrap beside it; percentile and BCa are
`scipy.stats.bootstrap`. No training: the numbers are drawn. Writes results/intervals.md.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy import stats

from fastcifar.statistics import bootstrap_interval, t_half

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


KINDS: dict[str, Callable[..., tuple[Array, float]]] = {
    "accuracies": accuracies,
    "skewed": skewed,
    "times with hiccups": hiccups,
}


def intervals(values: Array) -> dict[str, tuple[Array, Array]]:
    """The bounds of each kind of interval of values (samples, n)."""
    mean, half = values.mean(1), t_half(values)
    found = {"Student's t": (mean - half, mean + half)}
    if values.shape[1] >= 5:
        found["studentised bootstrap"] = bootstrap_interval(values, RESAMPLES)
    for name, method in (("percentile bootstrap", "percentile"), ("BCa bootstrap", "BCa")):
        rng = np.random.default_rng(0)
        low, high = stats.bootstrap(
            (values,), np.mean, axis=1, n_resamples=RESAMPLES, method=method, rng=rng
        ).confidence_interval
        found[name] = (low, high)
    return found


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
