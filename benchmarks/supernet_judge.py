"""What a supernet's scores are worth, by the networks of a ground truth: gains in Kendall's tau, regret of a choice."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from supernet_truth import SPACE, WIDTHS, flops_of

from fastcifar.statistics.tau import Tau, jackknifed, kendall
from fastcifar.supernet.predict.regression import features, fit, spread_out

SPLITS = 60  # choices of the networks that are trained alone
GROUPS = 40  # of networks; a jackknife leaves out one at a time
POOL = 0.75  # of the networks, drawn anew for each split, among which those that tell the most are chosen


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The networks that were trained alone: their places in the space, accuracies (n, seeds) and means (n,), shares.

    further: accuracies (n, more) with seeds that only some networks have; NaN for the others.
    widths and space_flops: of all networks of the space.
    """

    places: np.ndarray
    single: np.ndarray
    further: np.ndarray
    mean: np.ndarray
    flops: np.ndarray
    parameters: np.ndarray
    design: np.ndarray
    widths: np.ndarray
    space_flops: np.ndarray


def truth_of(frame: pd.DataFrame) -> Truth:
    """The truth in a table as `supernet_truth.table` makes it."""
    points = [{key: int(row[key]) for key in WIDTHS} for _, row in frame.iterrows()]
    every = [SPACE.decode(row) for row in SPACE.points()]
    order = {tuple(one.values()): number for number, one in enumerate(every)}
    values = {parameter.key: parameter.values or () for parameter in SPACE.parameters}
    accuracies, more = ([name for name in frame if name.startswith(start)] for start in ("acc", "more"))
    return Truth(
        places=np.array([order[tuple(one.values())] for one in points]),
        single=frame[accuracies].to_numpy(float) / 100,
        further=frame[more].to_numpy(float) / 100,
        mean=frame["mean"].to_numpy(float) / 100,
        flops=frame["flops"].to_numpy(float),
        parameters=frame["params"].to_numpy(float),
        design=features(points, values),
        widths=features(every, values),
        space_flops=np.array([flops_of(one) for one in every], dtype=float),
    )


class Judge:
    """Splits of a truth's networks into `size` that are trained alone and those that are left out.

    spread: of a part that is drawn for each split, those are trained that tell the most together, as
        `fastcifar supernet search` chooses them; else drawn ones.
    """

    def __init__(self, truth: Truth, size: int, spread: bool = True) -> None:
        self.truth, self.size, self.spread = truth, size, spread
        self.split, self.foretold = cache(self._split), cache(self._foretold)

    def _split(self, number: int, without: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The networks of a split that are trained; some may be left out of everything, and the rest stays as it is."""
        everything = np.random.default_rng([self.size, number]).permutation(len(self.truth.mean))
        order = everything[~np.isin(everything, without)]
        if not self.spread:
            return tuple(order[: self.size].tolist())
        pool = order[: max(self.size, round(POOL * len(everything)))]
        return tuple(pool[spread_out(self.truth.design[pool], self.size)].tolist())

    def _foretold(self, trained: tuple[int, ...], seed: int, score: tuple[float, ...] | None) -> np.ndarray:
        """What a regression on these trainings with one of the seeds says of all networks: higher is better. (n,)

        score: of all networks of the space, lower is better: one feature more; None is none.
        """
        design, widths, some = self.truth.design, self.truth.widths, list(trained)
        if score is not None:
            log = np.log(score)
            design, widths = np.column_stack([design, log[self.truth.places]]), np.column_stack([widths, log])
        apart = int(score is not None)
        said: np.ndarray = -fit(design[some], self.truth.single[some, seed], widths, apart)(design)[0]
        return said

    def said(self, score: Sequence[float] | None, number: int, without: tuple[int, ...] = ()) -> np.ndarray:
        """What is foretold of all networks (n,) in a split; each has its seed, in turn."""
        seed = number % self.truth.single.shape[1]
        return self.foretold(self.split(number, without), seed, None if score is None else tuple(score))

    def taus(self, score: Sequence[float], near: np.ndarray, without: tuple[int, ...] = ()) -> np.ndarray:
        """Mean tau over the networks left out, (2, 2): without and with the score, of all pairs and those of `near`."""
        found, n = [], len(self.truth.mean)
        for number in range(SPLITS):
            left = np.setdiff1d(np.arange(n), [*self.split(number, without), *without])
            judged, close = self.truth.mean[left], near[np.ix_(left, left)]
            values = [self.said(one, number, without)[left] for one in (None, score)]
            found.append([[kendall(one, judged, pairs) for pairs in (None, close)] for one in values])
        mean: np.ndarray = np.nanmean(found, axis=0)
        return mean

    def gain(self, score: Sequence[float], near: np.ndarray) -> tuple[float, float, Tau, Tau]:
        """Tau without and with a score, and the difference: over all pairs, and those of `near` (n, n).

        Its interval is of a jackknife over networks, each left out of what is trained and of what is judged by; of more
        than GROUPS networks, several at a time.
        """
        n = len(self.truth.mean)
        groups = np.array_split(np.random.default_rng(0).permutation(n), min(n, GROUPS))
        whole = self.taus(score, near)
        others = np.array([np.diff(self.taus(score, near, tuple(some.tolist())), axis=0)[0] for some in groups])
        pairs = [n * (n - 1) // 2, int(np.triu(near, 1).sum())]
        first, second = (
            jackknifed(float(gain), without, count)
            for gain, without, count in zip(whole[1] - whole[0], others.T, pairs, strict=True)
        )
        return float(whole[0, 0]), float(whole[1, 0]), first, second

    def choices(self, score: Sequence[float] | None) -> list[np.ndarray]:
        """What is foretold in each split, as `lacks` takes it."""
        return [self.said(score, number) for number in range(SPLITS)]


def small(truth: Truth) -> np.ndarray:
    """The truth's networks under half the FLOPs of the space's widest."""
    return np.flatnonzero(truth.flops <= truth.space_flops.max() / 2)


def lacks(truth: Truth, said: Sequence[np.ndarray]) -> float:
    """Points that the network for which most is said, under half the FLOPs, lacks to the best, at most.

    said: (n,) each; the first knows of the first seed only, the second of the second, and so on round. What is chosen
    and the best are measured by the other seeds; chance has helped the best of them. Mean over `said`.
    """
    there, lacking = small(truth), []
    for number, values in enumerate(said):
        others = np.delete(truth.single, number % truth.single.shape[1], axis=1).mean(1)[there]
        lacking.append(others.max() - others[np.argmax(values[there])])
    return 100 * float(np.mean(lacking))
