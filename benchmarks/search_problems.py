"""What the searchers are compared on: two published tables, and functions of mixed, nested and noisy parameters.

Every problem is minimised, and its lowest loss is known, so that regret can be told.
"""

import itertools
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastcifar.search import Params, Space

TABLES = Path(__file__).parent / "tables"


@dataclass(frozen=True)
class Problem:
    """A space in NNI's JSON, the loss of a point without noise, and the lowest loss there is.

    noise: standard deviation of the Gaussian noise of one evaluation. draws: where the noise is not Gaussian, the
    results that one evaluation can have; one of them is drawn.
    """

    name: str
    entries: Mapping[str, Any]
    loss: Callable[[Params], float]
    lowest: float
    noise: float = 0.0
    draws: Callable[[Params], np.ndarray] | None = None

    @cached_property
    def space(self) -> Space:
        return Space.from_dict(self.entries, self.name)

    def evaluate(self, params: Params, seed: int, repeat: int) -> float:
        """One result: the same for the same parameters, seed and repeat, whichever searcher asks."""
        if self.draws is None and self.noise == 0:
            return self.loss(params)
        rng = np.random.default_rng([zlib.crc32(f"{self.name} {params}".encode()), seed, repeat])
        if self.draws is not None:
            return float(rng.choice(self.draws(params)))
        return self.loss(params) + self.noise * rng.standard_normal()

    def regret(self, params: Params) -> float:
        """How much worse a point is than the best, without noise."""
        return self.loss(params) - self.lowest


def table(name: str, prefix: str, options: list[Any]) -> Problem:
    """A published table; the loss is 100 less the accuracy in percent."""
    frame = pd.read_csv(TABLES / f"{name}.csv.gz")
    keys = [column for column in frame if column.startswith(prefix)]
    results = 100 - frame[["acc0", "acc1", "acc2"]].to_numpy()
    codes = frame[keys].to_numpy()
    rows = {tuple(code): number for number, code in enumerate(codes - codes.min())}
    places = {option: place for place, option in enumerate(options)}

    def draws(params: Params) -> np.ndarray:
        return results[rows[tuple(places[params[key]] for key in keys)]]

    return Problem(
        name,
        {key: {"_type": "choice", "_value": options} for key in keys},
        lambda params: float(draws(params).mean()),
        float(results.mean(1).min()),
        draws=draws,
    )


def uniform(low: float, high: float) -> dict[str, Any]:
    return {"_type": "uniform", "_value": [low, high]}


def loguniform(low: float, high: float) -> dict[str, Any]:
    return {"_type": "loguniform", "_value": [low, high]}


def choice(*values: Any) -> dict[str, Any]:
    return {"_type": "choice", "_value": list(values)}


def vector(params: Params) -> np.ndarray:
    return np.array(list(params.values()), dtype=float)


def branin() -> Problem:
    def loss(params: Params) -> float:
        x, y = params["x"], params["y"]
        valley = y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6
        return valley**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10

    return Problem("branin", {"x": uniform(-5, 10), "y": uniform(0, 15)}, loss, 0.39788735772973816)


def hartmann6() -> Problem:
    heights = np.array([1.0, 1.2, 3.0, 3.2])
    widths = np.array(
        [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
    )
    peaks = 1e-4 * np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    )

    def loss(params: Params) -> float:
        return -float(heights @ np.exp(-(widths * (vector(params) - peaks) ** 2).sum(1)))

    return Problem("hartmann6", {f"x{i}": uniform(0, 1) for i in range(6)}, loss, -3.322368011415515)


def rosenbrock() -> Problem:
    def loss(params: Params) -> float:
        x = vector(params)
        return float(np.log1p((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()))

    return Problem("rosenbrock4", {f"x{i}": uniform(-2, 2) for i in range(4)}, loss, 0.0)


def ackley(x: np.ndarray) -> float:
    smooth = 20 * (1 - math.exp(-0.2 * math.sqrt(np.mean(x**2))))
    return smooth + math.e - math.exp(np.mean(np.cos(2 * math.pi * x)))


def integers() -> Problem:
    target = np.array([3, -6, 8, 0, -2])
    space = {f"n{i}": {"_type": "randint", "_value": [-10, 11]} for i in range(5)}
    return Problem("ackley-integers", space, lambda params: ackley(0.5 * (vector(params) - target)), 0.0)


def quantised() -> Problem:
    def loss(params: Params) -> float:
        return (
            4 * abs(params["dropout"] - 0.35)
            + abs(math.log2(params["units"] / 96))
            + 0.5 * abs(params["shift"] + 1.5)
            + abs(math.log10(params["decay"] / 0.003))
            + 2 * abs(params["dropout"] - 0.35) * abs(params["shift"] + 1.5)
        )

    space = {
        "dropout": {"_type": "quniform", "_value": [0, 1, 0.05]},
        "units": {"_type": "qloguniform", "_value": [8, 1024, 8]},
        "shift": {"_type": "quniform", "_value": [-5, 5, 0.5]},
        "decay": {"_type": "qloguniform", "_value": [0.001, 1, 0.001]},
    }
    return Problem("quantised", space, loss, 0.0)


def categories() -> Problem:
    rng = np.random.default_rng(7)
    alone, pairs = rng.standard_normal((6, 4)), 0.5 * rng.standard_normal((5, 4, 4))

    def of(codes: tuple[int, ...]) -> float:
        return sum(alone[i, c] for i, c in enumerate(codes)) + sum(
            pairs[i, a, b] for i, (a, b) in enumerate(itertools.pairwise(codes))
        )

    return Problem(
        "categories",
        {f"c{i}": choice("a", "b", "c", "d") for i in range(6)},
        lambda params: of(tuple("abcd".index(value) for value in params.values())),
        min(of(codes) for codes in itertools.product(range(4), repeat=6)),
    )


def widths() -> Problem:
    options = ((16, 32, 48, 64), (28, 56, 84, 112), (64, 128, 192, 256), (96, 192, 288, 384))
    gains = (0.35, 0.6, 0.9, 0.5)

    def of(values: tuple[int, ...]) -> float:
        error = 12 - sum(gain * math.log2(value) for gain, value in zip(gains, values, strict=True))
        steps = [math.log2(after / before) for before, after in itertools.pairwise(values)]
        return 10 + error + 0.3 * sum((step - 0.9) ** 2 for step in steps)

    return Problem(
        "widths-noisy",
        {name: choice(*values) for name, values in zip(("prep", "layer1", "layer2", "layer3"), options, strict=True)},
        lambda params: of(tuple(params.values())),
        min(of(values) for values in itertools.product(*options)),
        noise=0.2,
    )


def training() -> Problem:
    """A rate whose best value depends on batch size and momentum, as in training with SGD."""

    def loss(params: Params) -> float:
        best_rate = 0.4 * params["batch_size"] / 512 * (1 - params["momentum"]) / 0.1
        peak, decay = params["peak_epoch"] - 5, math.log10(params["weight_decay"] / 5e-4)
        return (
            2 * math.log10(params["peak_lr"] / best_rate) ** 2
            + 20 * (params["momentum"] - 0.9) ** 2
            + 0.03 * peak**2
            + 0.4 * decay**2
            + 0.15 * abs(math.log2(params["batch_size"] / 512))
            + 8 * (params["logits_weight"] - 0.2) ** 2
        )

    space = {
        "peak_lr": loguniform(0.02, 6),
        "momentum": uniform(0.8, 0.99),
        "batch_size": choice(128, 256, 512, 1024),
        "peak_epoch": {"_type": "randint", "_value": [1, 15]},
        "weight_decay": loguniform(1e-5, 1e-2),
        "logits_weight": {"_type": "quniform", "_value": [0.05, 0.5, 0.05]},
    }
    return Problem("training-noisy", space, loss, 0.0, noise=0.1)


def optimizers() -> Problem:
    """Each optimizer has its own parameters, and its own best loss."""
    options = [
        {"_name": "sgd", "lr": loguniform(1e-3, 10), "momentum": uniform(0.5, 0.99)},
        {"_name": "adam", "lr": loguniform(1e-5, 1), "beta2": uniform(0.9, 0.999)},
        {"_name": "muon", "lr": loguniform(1e-3, 1), "steps": {"_type": "randint", "_value": [1, 9]}},
    ]

    def loss(params: Params) -> float:
        part = params["optimizer"]
        rate = math.log10(part["lr"])
        if part["_name"] == "sgd":
            own = 0.2 + 0.5 * abs(rate + 0.4) + 3 * abs(part["momentum"] - 0.9)
        elif part["_name"] == "adam":
            own = 0.5 + 0.4 * abs(rate + 2.7) + 4 * abs(part["beta2"] - 0.98)
        else:
            own = abs(rate + 1.2) + 0.1 * abs(part["steps"] - 3)
        return own + abs(math.log10(params["weight_decay"]) + 3) * (0.3 if part["_name"] == "sgd" else 0.15)

    space = {"optimizer": {"_type": "choice", "_value": options}, "weight_decay": loguniform(1e-5, 1e-1)}
    return Problem("nested-optimizers", space, loss, 0.0)


def layers() -> Problem:
    """A nested choice of depth, each with widths of its own, and noise."""
    options = [
        {"_name": str(depth), **{f"width{i}": choice(32, 64, 96, 128, 192, 256) for i in range(depth)}}
        for depth in (1, 2, 3)
    ]
    deeper = {"1": 0.6, "2": 0.25, "3": 0.0}

    def of(name: str, values: tuple[int, ...], activation: str) -> float:
        shape = sum((math.log2(width / (64 * 2**i)) - 0.2) ** 2 for i, width in enumerate(values))
        return deeper[name] + 0.15 * shape + {"relu": 0.1, "celu": 0.0, "gelu": 0.05, "tanh": 0.4}[activation]

    def loss(params: Params) -> float:
        net = params["net"]
        return of(net["_name"], tuple(v for key, v in net.items() if key != "_name"), params["activation"])

    lowest = min(
        of(str(depth), values, "celu")
        for depth in (1, 2, 3)
        for values in itertools.product((32, 64, 96, 128, 192, 256), repeat=depth)
    )
    space = {"net": {"_type": "choice", "_value": options}, "activation": choice("relu", "celu", "gelu", "tanh")}
    return Problem("nested-layers-noisy", space, loss, lowest, noise=0.05)


def sphere() -> Problem:
    centre = np.array([0.3, 0.7, 0.2, 0.55, 0.45])

    def loss(params: Params) -> float:
        return float(((vector(params) - centre) ** 2).sum())

    return Problem("sphere-noisy", {f"x{i}": uniform(0, 1) for i in range(5)}, loss, 0.0, noise=0.1)


def mixed() -> Problem:
    offsets = {"a": 0.0, "b": 1.0, "c": 2.0}

    def loss(params: Params) -> float:
        numbers = np.array([params["x"] - 1.3, params["y"] + 2.1, math.log(params["z"]), params["m"] - 2, params["n"]])
        return ackley(0.7 * numbers) + offsets[params["first"]] + offsets[params["second"]]

    space = {
        "x": uniform(-5, 5),
        "y": uniform(-5, 5),
        "z": loguniform(0.01, 100),
        "m": {"_type": "randint", "_value": [-5, 6]},
        "n": {"_type": "randint", "_value": [-5, 6]},
        "first": choice("c", "a", "b"),
        "second": choice("b", "c", "a"),
    }
    return Problem("ackley-mixed", space, loss, 0.0)


def gaussians() -> Problem:
    """Priors without bounds; the best point lies off their middle."""

    def loss(params: Params) -> float:
        return (
            abs(params["x"] - 1.5)
            + abs(math.log(params["rate"]) + 5)
            + 0.5 * abs(params["offset"] + 3)
            + 0.3 * abs(params["x"] - 1.5) * abs(params["offset"] + 3)
        )

    space = {
        "x": {"_type": "normal", "_value": [0, 1]},
        "rate": {"_type": "lognormal", "_value": [-4, 1]},
        "offset": {"_type": "qnormal", "_value": [0, 2, 0.5]},
    }
    return Problem("gaussians", space, loss, 0.0)


@cache
def problems() -> dict[str, Problem]:
    """All of them, by name; the published tables first."""
    made = [
        table("channel-bench-resnet", "w", [1, 2, 3, 4]),
        table("nas-bench-macro", "op", ["skip", "k3e3", "k5e6"]),
        *(make() for make in SYNTHETIC),
    ]
    return {problem.name: problem for problem in made}


SYNTHETIC = (
    branin,
    hartmann6,
    rosenbrock,
    integers,
    quantised,
    categories,
    widths,
    training,
    optimizers,
    layers,
    sphere,
    mixed,
    gaussians,
)
NAMES_OF_TABLES = ("channel-bench-resnet", "nas-bench-macro")
