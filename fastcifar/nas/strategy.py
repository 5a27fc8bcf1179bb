"""The strategies that choose which networks of a space are tried, under NNI's names.

The strategies in this file train each network alone; they are searchers of `fastcifar.search` with their defaults.
SinglePath and DARTS train all networks in shared weights.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from fastcifar.nas.darts import DARTS
from fastcifar.nas.single_path import SinglePath

__all__ = ["DARTS", "TPE", "GridSearch", "MultiTrial", "Random", "RandomOneShot", "RegularizedEvolution", "SinglePath"]

RandomOneShot = SinglePath  # NNI's name


class MultiTrial(Protocol):
    """A strategy whose trials each train one network: it names the tuner of the experiment."""

    def tuner(self) -> dict[str, Any]:
        """Name and arguments of the tuner, as in the configuration of an experiment."""
        ...


@dataclass(frozen=True)
class Random:
    """Networks drawn uniformly; with `dedup` without repeats."""

    dedup: bool = True

    def tuner(self) -> dict[str, Any]:
        return {"name": "Random", "class_args": {"repeats": not self.dedup}}


@dataclass(frozen=True)
class GridSearch:
    """Every network, in the order of the options; numbers in ascending order."""

    def tuner(self) -> dict[str, Any]:
        return {"name": "GridSearch"}


@dataclass(frozen=True, kw_only=True)
class RegularizedEvolution:
    """Mutates the best of `sample_size` networks out of the `population_size` youngest (Real et al. 2019)."""

    population_size: int = 20
    sample_size: int = 5

    def tuner(self) -> dict[str, Any]:
        return {"name": "Evolution", "class_args": {"population": self.population_size, "sample": self.sample_size}}


@dataclass(frozen=True)
class TPE:
    """Networks that are like the good ones so far, by a tree-structured Parzen estimator."""

    def tuner(self) -> dict[str, Any]:
        return {"name": "TPE"}
