"""Searchers and assessors, as the configuration names them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastcifar.checks import Check
from fastcifar.experiment.loop import MAX_SEED
from fastcifar.experiment.tuners.algorithm_config import AlgorithmConfig, Arguments, checked, known_name, mode
from fastcifar.experiment.tuners.batch import make_batch
from fastcifar.experiment.tuners.custom import ASSESSOR_METHODS, SEARCHER_METHODS, make_custom
from fastcifar.rules import ConfigError, above, flag, one_of, optional, text, whole
from fastcifar.search.assess import ASHA, Assessor, MedianStop
from fastcifar.search.evolution import Evolution
from fastcifar.search.gp import GP
from fastcifar.search.hyperband import Hyperband
from fastcifar.search.searcher import Searcher
from fastcifar.search.simple import Grid, Random
from fastcifar.search.spaces.space import Space
from fastcifar.search.tpe import TPE

__all__ = ["AlgorithmConfig", "HyperoptTuner", "Tuner", "make_assessor", "make_tuner"]

BUDGET = "TRIAL_BUDGET"  # NNI's name for the parameter by which Hyperband tells a trial what it may cost
NNI_TUNERS = "Anneal SMAC Metis PBT PBTTuner DNGO DNGOTuner BOHB PPO PPOTuner".split()
NNI_TUNERS += "NetworkMorphism RegularizedEvolutionTuner TPE_legacy".split()
MODE_AND_SEED = ("optimize_mode", "seed")  # arguments of every tuner
TUNER, ASSESSOR = "tuner.class_args", "assessor.class_args"


@dataclass(frozen=True, kw_only=True)
class Tuner:
    """What a tuner comes to: a searcher, and with what its history is made.

    seed: of the search; None where the configuration names none.
    budget: the parameter that the searcher adds to those of the space; None where it adds none.
    space: takes the place of the search space; None where that is used as it is (only Batch has another).
    """

    searcher: Searcher
    maximize: bool
    seed: int | None = None
    budget: str | None = None
    space: Space | None = None


def make_tuner(
    config: AlgorithmConfig, search_space: Mapping[str, Any] | None = None, source: str = "search_space"
) -> Tuner:
    """Make the searcher that `config` names: TPE, GP, Random, Evolution, GridSearch (Grid), Batch or Hyperband.

    Arguments have NNI's names, or those of our searchers' fields; each tuner has `optimize_mode`, without which it is
    maximize, and `seed`. A class of the user's has `suggest` and `best` (see `Searcher`) and is given the others.
    search_space: in NNI's JSON, which Batch needs; `source` names it in errors. Raises ConfigError; SpaceError for it.
    """
    config.check("tuner")
    maximize = mode(config.class_args, "tuner") is not False
    seed = config.class_args.get("seed")
    optional(whole(0, MAX_SEED))(f"{TUNER}.seed", seed)
    args = {name: value for name, value in config.class_args.items() if name not in MODE_AND_SEED}
    if config.name is None:
        custom: Searcher = make_custom(config, SEARCHER_METHODS, args, "tuner")
        return Tuner(searcher=custom, maximize=maximize, seed=seed)
    name = known_name(config.name, (*_TUNERS, "Batch"), NNI_TUNERS, "tuner")
    if name == "Batch":
        checked(args, {}, TUNER, MODE_AND_SEED)
        if search_space is None:
            raise ConfigError("tuner.name: Batch needs the search space, which lists its trials")
        batch, space = make_batch(search_space, source)
        return Tuner(searcher=batch, maximize=maximize, seed=seed, space=space)
    budget = None
    if name == "Hyperband":
        budget = args.pop("budget", BUDGET)
        text(f"{TUNER}.budget", budget)
    return Tuner(searcher=_TUNERS[name](args), maximize=maximize, seed=seed, budget=budget)


def make_assessor(config: AlgorithmConfig, maximize: bool | None = None) -> Assessor | None:
    """Make the assessor that `config` names, Medianstop or ASHA; None where it names none.

    A class of the user's has `assess` (see `Assessor`).
    maximize: the tuner's mode, with which an `optimize_mode` must agree; without one the assessor follows the tuner.
    Raises ConfigError.
    """
    if not config.is_set:
        return None
    config.check("assessor")
    own = mode(config.class_args, "assessor")
    if maximize is not None and own not in (None, maximize):
        words = ("minimize", "maximize")
        raise ConfigError(
            f"{ASSESSOR}.optimize_mode: {words[maximize]} is needed, as the tuner has it, not {words[own]}"
        )
    args = {name: value for name, value in config.class_args.items() if name != "optimize_mode"}
    if config.name is None:
        custom: Assessor = make_custom(config, ASSESSOR_METHODS, args, "assessor")
        return custom
    return _ASSESSORS[known_name(config.name, _ASSESSORS, ("Curvefitting",), "assessor")](args)


def HyperoptTuner(algorithm_name: str, optimize_mode: str = "minimize") -> AlgorithmConfig:
    """NNI's tuner of this name, for `Experiment(tuner, "local")`: tpe or random_search. Raises ConfigError."""
    names = {"tpe": "TPE", "random_search": "Random"}
    if algorithm_name == "anneal":
        raise ConfigError(f"HyperoptTuner: anneal of NNI is not here; there are {', '.join(names)}")
    one_of([*names])("HyperoptTuner", algorithm_name)
    one_of(("minimize", "maximize"))("HyperoptTuner: optimize_mode", optimize_mode)
    return AlgorithmConfig(name=names[algorithm_name], class_args={"optimize_mode": optimize_mode})


def _make_tpe(args: dict[str, Any]) -> TPE:
    inner = checked(args.pop("tpe_args", None) or {}, _TPE_ARGS, f"{TUNER}.tpe_args")
    outer = checked(args, _TPE, TUNER, (*MODE_AND_SEED, "tpe_args"))
    for name in inner.keys() & outer.keys():
        raise ConfigError(f"{TUNER}.{name}: tpe_args has it too, under its other name")
    return TPE(**inner, **outer)


def _make_hyperband(args: dict[str, Any]) -> Hyperband:
    fields = {"high": 60} | checked(args, _HYPERBAND, TUNER, (*MODE_AND_SEED, "budget"))  # 60 as in NNI
    try:
        return Hyperband(**fields)
    except ValueError as error:
        raise ConfigError(f"{TUNER}: {error}") from None


def _maker(kind: Callable[..., Any], known: Arguments, where: str, also: tuple[str, ...]) -> Callable[..., Any]:
    return lambda args: kind(**checked(args, known, where, also))


def _same(**checks: Check) -> dict[str, tuple[str, Check]]:
    return {name: (name, check) for name, check in checks.items()}


_TPE_ARGS: Arguments = {"n_startup_jobs": ("startup", whole(1)), "n_ei_candidates": ("candidates", whole(1))}
_TPE = _same(startup=whole(1), candidates=whole(1), good_share=above(0, 1), max_good=whole(1), bandwidth=above(0))
_TPE |= _same(min_bandwidth=above(0), repeats=flag)
_GP = _same(startup=whole(1), exploration=above(0), candidates=whole(1), max_points=whole(2), repeats=flag)
_GP["cold_start_num"] = ("startup", whole(1))
_EVOLUTION = _same(population=whole(2), sample=whole(1))
_EVOLUTION["population_size"] = ("population", whole(2))
_HYPERBAND = _same(low=whole(1), high=whole(1), eta=whole(2), halving=flag)
_HYPERBAND["R"] = ("high", whole(1))

_TUNERS: dict[str, Callable[[dict[str, Any]], Searcher]] = {
    "TPE": _make_tpe,
    "GP": _maker(GP, _GP, TUNER, MODE_AND_SEED),
    "Random": _maker(Random, _same(repeats=flag), TUNER, MODE_AND_SEED),
    "Evolution": _maker(Evolution, _EVOLUTION, TUNER, MODE_AND_SEED),
    "GridSearch": _maker(Grid, {}, TUNER, MODE_AND_SEED),
    "Grid": _maker(Grid, {}, TUNER, MODE_AND_SEED),
    "Hyperband": _make_hyperband,
}
_ASSESSORS: dict[str, Callable[[dict[str, Any]], Assessor]] = {
    "Medianstop": _maker(MedianStop, _same(start_step=whole(0)), ASSESSOR, ("optimize_mode",)),
    "ASHA": _maker(ASHA, _same(first=whole(1), eta=whole(2)), ASSESSOR, ("optimize_mode",)),
}
