"""Predictors of which network is better (costs, a supernet, regressions), judged on networks trained alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fastcifar.experiment.pareto import pareto_front
from fastcifar.search import Params
from fastcifar.statistics.tau import Tau, jackknifed, kendall, tau, within
from fastcifar.supernet.choices import FIELDS, Choices
from fastcifar.supernet.predict.regression import FLOOR, LEAST, features, fit, left_out

FEWEST = LEAST + 2  # trainings: each is predicted from the others, and a jackknife leaves out one more
NEAR = 0.05  # two networks are near each other if their FLOPs differ by at most this share
SUPERNET, WITHOUT, WITH = "supernet", "regression", "regression with the supernet"


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """How well a predictor orders the trained networks: over all pairs, and over pairs of nearly equal FLOPs."""

    name: str
    overall: Tau
    near: Tau


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The predictors, judged on `trainings` trainings.

    gain, gain_near: the tau of the regression with the supernet minus that without it, over all pairs and near ones.
    better: WITH or WITHOUT, whichever predicts left-out trainings with the smaller squared error.
    """

    trainings: int
    predictors: tuple[Predictor, ...]
    gain: Tau
    gain_near: Tau
    better: str

    @property
    def adds(self) -> bool:
        """Whether the gain's interval is above zero: the trainings show that the supernet adds something."""
        return self.gain.low > 0


def judge(choices: Choices, table: pd.DataFrame, points: Sequence[Params], accuracy: np.ndarray) -> Judged:
    """Judge all predictors of `table` (see `networks`) on trainings of `points`, with `accuracy` (n,), shares of 1.

    A regression predicts each training from the others. The gain's interval comes from a jackknife that fits both
    regressions again, the taus' intervals from a bootstrap. Raises ValueError for fewer trainings than FEWEST.
    """
    if len(points) < FEWEST:
        raise ValueError(f"predictors are judged on at least {FEWEST} trainings, not {len(points)}")
    rows, (plain, more) = rows_of(choices, table, points), designs(choices, table)
    costs = {name: table[name].to_numpy(float)[rows] for name in ("flops", "parameters", "loss")}
    close = within(costs["flops"], NEAR)
    trainings = _Trainings(rows=rows, error=_log_error(accuracy), accuracy=accuracy, plain=plain, more=more, near=close)
    everything = np.arange(len(points))
    without, with_it = trainings.foretold(everything)
    found = {
        "FLOPs": costs["flops"],
        "parameters": costs["parameters"],
        "sum of log-widths": log_widths(choices, table)[rows],
        SUPERNET: -costs["loss"],
        WITHOUT: _placed(without, trainings.error),
        WITH: _placed(with_it, trainings.error),
    }
    predictors = tuple(
        Predictor(name=name, overall=tau(values, accuracy), near=tau(values, accuracy, close))
        for name, values in found.items()
    )
    gains = trainings.gains(everything)
    others = np.array([trainings.gains(np.delete(everything, one)) for one in everything])
    squares = [float(((values - trainings.error) ** 2).mean()) for values in (without, with_it)]
    return Judged(
        trainings=len(points),
        predictors=predictors,
        gain=jackknifed(gains[0], others[:, 0], predictors[0].overall.pairs),
        gain_near=jackknifed(gains[1], others[:, 1], predictors[0].near.pairs),
        better=WITH if squares[1] < squares[0] else WITHOUT,
    )


@dataclass(frozen=True, kw_only=True)
class _Trainings:
    """Trainings of networks in a table.

    rows: of the table (n,). error: log(error) (n,). accuracy: shares of 1 (n,). plain, more: the table's `designs`.
    near: which pairs have nearly equal FLOPs (n, n).
    """

    rows: np.ndarray
    error: np.ndarray
    accuracy: np.ndarray
    plain: np.ndarray
    more: np.ndarray
    near: np.ndarray

    def foretold(self, some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The log(error) of some trainings, each predicted from the rest, without and with the supernet: (n,) each."""
        rows, accuracy = self.rows[some], self.accuracy[some]
        without = left_out(self.plain[rows], accuracy, self.plain)
        return without, left_out(self.more[rows], accuracy, self.more, apart=1)

    def gains(self, some: np.ndarray) -> list[float]:
        """What the supernet adds to the tau of some trainings: over all pairs, and over those of near FLOPs."""
        without, with_it = (_placed(values, self.error[some]) for values in self.foretold(some))
        return [
            kendall(with_it, self.accuracy[some], near) - kendall(without, self.accuracy[some], near)
            for near in (None, self.near[np.ix_(some, some)])
        ]


def _log_error(accuracy: np.ndarray) -> np.ndarray:
    error: np.ndarray = np.log(np.maximum(1 - accuracy, FLOOR))
    return error


def _placed(foretold: np.ndarray, error: np.ndarray) -> np.ndarray:
    """How far below the mean of the other trainings the log(error) of each is predicted: (n,).

    Without that mean a left-out prediction would order the networks backwards: the better a network is, the worse are
    the others that predict it.
    """
    placed: np.ndarray = (error.sum() - error) / (len(error) - 1) - foretold
    return placed


def predicted(
    choices: Choices, table: pd.DataFrame, points: Sequence[Params], accuracy: np.ndarray, by: str
) -> pd.DataFrame:
    """`table` with the columns `predicted`, the accuracy of one training, and `low` and `high`, its 95 % interval.

    by: WITH or WITHOUT.
    """
    design, apart = designs(choices, table)[by == WITH], int(by == WITH)
    mean, half = fit(design[rows_of(choices, table, points)], accuracy, design, apart).interval(design)
    return table.assign(predicted=1 - np.exp(mean), low=1 - np.exp(mean + half), high=1 - np.exp(mean - half))


def designs(choices: Choices, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The features of a table's networks: (n, d) without the supernet, (n, d + 1) with the logarithm of its loss.

    An extra block that is not there counts as one of its smallest width.
    """
    points = points_of(choices, table)
    least = [{key: min(choices.values[key]) for key in choices.idle(one)} for one in points]
    plain = features([one | some for one, some in zip(points, least, strict=True)], choices.values)
    return plain, np.column_stack([plain, np.log(table["loss"].to_numpy(float))])


def log_widths(choices: Choices, table: pd.DataFrame) -> np.ndarray:
    """The sum of log2 of the chosen widths, (n,); an extra block that is not there adds nothing."""
    keys = [key for key in choices.values if FIELDS[key.partition(".")[0]] == "width"]
    points = points_of(choices, table)
    return np.array([sum(np.log2(one[key]) for key in keys if key not in choices.idle(one)) for one in points], float)


def pareto(table: pd.DataFrame, cost: str = "flops", value: str = "predicted") -> pd.DataFrame:
    """The networks that no other beats in both `value` and `cost`, the cheapest first."""
    return table.iloc[pareto_front(table[cost].tolist(), table[value].tolist())]


def points_of(choices: Choices, table: pd.DataFrame) -> list[Params]:
    """The points of a table's rows."""
    return [{str(key): value for key, value in row.items()} for row in table[list(choices.values)].to_dict("records")]


def rows_of(choices: Choices, table: pd.DataFrame, points: Sequence[Params]) -> np.ndarray:
    """The rows of points in a table, (n,). Raises ValueError for a point that is not in it."""
    places = {_key(one): number for number, one in enumerate(points_of(choices, table))}
    missing = [one for one in points if _key(one) not in places]
    if missing:
        raise ValueError(f"{missing[0]}: no such network among the {len(places)} scored")
    return np.array([places[_key(one)] for one in points], dtype=np.intp)


def _key(params: Params) -> str:
    return repr(sorted(params.items()))
