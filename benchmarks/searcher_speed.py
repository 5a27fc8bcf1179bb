"""Milliseconds for one suggestion of 4 parameters (ask and tell) after 100, 1,000 and 5,000 finished trials.

    pip install -e '.[searchers]'
    python benchmarks/searcher_speed.py [--last 5000]

The searchers search side by side in one process, on one thread, 25 trials each in turn; medians of the 25 trials from
each size on.
Writes results/searcher_speed.md.
"""

import argparse
import os
import statistics
import time
import warnings
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from search_problems import Problem, loguniform, uniform
from searcher_agents import AGENTS, Agent

from fastcifar.train import resolve_device
from fastcifar.train.record.provenance import provenance

RESULTS = Path(__file__).parent / "results"
SIZES = (100, 1000, 5000)
TURNS = 25
NAMES = {"tpe": "fastcifar", "gp": "fastcifar", "optuna-integer": "optuna", "nni-tpe": "nni"}
PROBLEM = Problem(
    "four parameters",
    {
        "peak_lr": loguniform(0.02, 6),
        "momentum": uniform(0.8, 0.99),
        "peak_epoch": {"_type": "randint", "_value": [1, 15]},
        "width": {"_type": "choice", "_value": [16, 32, 48, 64]},
    },
    lambda p: abs(np.log(p["peak_lr"])) + p["momentum"] + p["peak_epoch"] / 10 - p["width"] / 99,
    0.0,
    noise=0.1,
)


def measure(last: int) -> dict[str, dict[int, float]]:
    """Median milliseconds of each searcher at each size up to `last`."""
    agents = {name: AGENTS[name](PROBLEM, 0) for name, package in NAMES.items() if find_spec(package)}
    sizes = [size for size in SIZES if size <= last]
    seconds: dict[tuple[str, int], list[float]] = {}
    for first in range(0, sizes[-1] + TURNS, TURNS):
        for name, agent in agents.items():
            seconds[name, first] = [_seconds(agent, number) for number in range(first, first + TURNS)]
        if first % 500 == 0:
            print(f"{first} trials", flush=True)
    return {name: {size: 1e3 * statistics.median(seconds[name, size]) for size in sizes} for name in agents}


def _seconds(agent: Agent, number: int) -> float:
    began = time.perf_counter()
    token, params = agent.ask()
    asked = time.perf_counter()
    loss = PROBLEM.evaluate(params, 0, number)
    told = time.perf_counter()
    agent.tell(token, loss)
    return asked - began + time.perf_counter() - told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--last", type=int, choices=SIZES, default=SIZES[-1])
    options = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        times = measure(options.last)
    device = provenance(resolve_device("cpu"))["device"]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("optuna", "nni", "numpy") if find_spec(name))
    lines = [
        "# Milliseconds for one suggestion",
        "",
        f"4 parameters, ask and tell, one thread of {device}; {versions}. Made by `benchmarks/searcher_speed.py`.",
        "",
        "| finished trials | " + " | ".join(times) + " |",
        "| --- " * (len(times) + 1) + "|",
        *(
            f"| {size} | " + " | ".join(f"{column[size]:.2f}" for column in times.values()) + " |"
            for size in SIZES
            if size <= options.last
        ),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.last == SIZES[-1]:
        (RESULTS / "searcher_speed.md").write_text(text)


if __name__ == "__main__":
    main()
