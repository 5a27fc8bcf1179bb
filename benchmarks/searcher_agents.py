"""The searchers under comparison behind one interface: ours, Optuna's TPE, NNI's TPE."""

import logging
import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from scipy.special import ndtri
from search_problems import Problem

from fastcifar.search import GP, TPE, Evolution, History, Params, Random, Searcher, trial_rng
from fastcifar.search.spaces.parameter import Parameter


class Agent(Protocol):
    """Asks for trials, is told their losses, and recommends a point."""

    def ask(self) -> tuple[Any, Params]:
        """A token for the trial, and its parameters."""
        ...

    def tell(self, token: Any, loss: float) -> None: ...

    def best(self) -> Params: ...


class Ours:
    """One of this project's searchers."""

    def __init__(self, problem: Problem, seed: int, searcher: Searcher) -> None:
        self.space, self.seed, self.searcher = problem.space, seed, searcher
        self.history = History(problem.space)

    def ask(self) -> tuple[int, Params]:
        params = self.searcher.suggest(self.space, self.history, trial_rng(self.seed, len(self.history)))
        return self.history.start(params), params

    def tell(self, token: int, loss: float) -> None:
        self.history.end(token, loss)

    def best(self) -> Params:
        return self.searcher.best(self.history)


class OptunaTPE:
    """Optuna's TPESampler with its defaults; it recommends the best single result.

    integers: ordered finite parameters as integers (of their place in the order), and where none is ordered, all of
    them; else every finite one as categorical.
    """

    def __init__(self, problem: Problem, seed: int, integers: bool) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space, self.integers = problem.space, integers
        self.any_ordered = any(parameter.ordered for parameter in problem.space.parameters)
        self.study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        self.params: dict[int, Params] = {}

    def ask(self) -> tuple[Any, Params]:
        trial = self.study.ask()
        row = np.full(len(self.space), np.nan)
        for index, parameter in enumerate(self.space.parameters):
            if parameter.parent is None or row[parameter.parent[0]] == parameter.parent[1]:
                row[index] = self._suggest(trial, parameter)
        self.params[trial.number] = self.space.decode(row)
        return trial, self.params[trial.number]

    def tell(self, token: Any, loss: float) -> None:
        self.study.tell(token, loss)

    def best(self) -> Params:
        return self.params[self.study.best_trial.number]

    def _suggest(self, trial: Any, parameter: Parameter) -> float:
        key, values = parameter.key, parameter.values
        if parameter.gaussian:  # Optuna has no such prior: its quantiles, uniformly
            return parameter.args[0] + parameter.args[1] * float(ndtri(trial.suggest_float(key, 1e-4, 1 - 1e-4)))
        if values is None:
            low, high = parameter.bounds
            drawn: float = trial.suggest_float(key, low, high)
            return drawn
        if self.integers and parameter.kind == "qloguniform":
            low, high = parameter.args[:2]
            drawn = trial.suggest_float(key, low, high, log=True)
            return float(np.argmin(np.abs(np.array(values) - drawn)))
        if self.integers and (parameter.ordered or not self.any_ordered):
            return float(trial.suggest_int(key, 0, len(values) - 1))
        return float(trial.suggest_categorical(key, range(len(values))))


class NNITPE:
    """NNI's TpeTuner with its defaults; it recommends the best single result."""

    def __init__(self, problem: Problem, seed: int) -> None:
        from nni.algorithms.hpo.tpe_tuner import TpeTuner

        logging.getLogger("nni").setLevel(logging.ERROR)
        self.tuner = TpeTuner(optimize_mode="minimize", seed=seed)
        self.tuner.update_search_space(problem.entries)
        self.params: list[Params] = []
        self.lowest, self.incumbent = math.inf, -1

    def ask(self) -> tuple[int, Params]:
        token = len(self.params)
        self.params.append(self.tuner.generate_parameters(token))
        return token, self.params[token]

    def tell(self, token: int, loss: float) -> None:
        self.tuner.receive_trial_result(token, self.params[token], loss)
        if loss < self.lowest:
            self.lowest, self.incumbent = loss, token

    def best(self) -> Params:
        return self.params[self.incumbent]


def ours(searcher: Searcher) -> Callable[[Problem, int], Agent]:
    return lambda problem, seed: Ours(problem, seed, searcher)


AGENTS: dict[str, Callable[[Problem, int], Agent]] = {
    "random": ours(Random()),
    "evolution": ours(Evolution()),
    "tpe": ours(TPE()),
    "gp": ours(GP()),
    "optuna-integer": lambda problem, seed: OptunaTPE(problem, seed, integers=True),
    "optuna-categorical": lambda problem, seed: OptunaTPE(problem, seed, integers=False),
    "nni-tpe": NNITPE,
}
PEERS = ("optuna-integer", "optuna-categorical", "nni-tpe")
