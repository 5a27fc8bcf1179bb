"""Makes the plan of a search from its spec: space, searcher, assessor and limits."""

from dataclasses import replace

from fastcifar.experiment.engines.registry import needs_of
from fastcifar.experiment.loop import MAX_SEED, Limits, Plan
from fastcifar.experiment.objectives.registry import allowed_by
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.tuners.algorithm_config import AlgorithmConfig
from fastcifar.experiment.tuners.algorithms import Tuner, make_assessor, make_tuner
from fastcifar.rules import whole
from fastcifar.search.assess import Assessor
from fastcifar.search.searcher import Searcher
from fastcifar.search.simple import Grid
from fastcifar.search.spaces.space import MAX_POINTS, Space


def space_of(spec: Spec) -> tuple[Space, str | None]:
    """The space of the trials, and the parameter that the tuner adds. It imports no code of the user's.

    Raises ConfigError or SpaceError.
    """
    if spec.tuner.get("class_name") is not None:
        return Space.from_dict(spec.space), None
    if spec.tuner.get("instance"):
        return Space.from_dict(spec.space), spec.tuner.get("class_args", {}).get("budget")
    tuner = _tuner(spec)
    return tuner.space or Space.from_dict(spec.space), tuner.budget


def plan_of(spec: Spec, searcher: Searcher | None = None, assessor: Assessor | None = None) -> Plan:
    """The plan of the search; a tuner or assessor of the user's is imported. Raises ConfigError or SpaceError.

    searcher, assessor: the objects that the spec describes, where it has no names for them.
    """
    whole(0, MAX_SEED)("seed", spec.seed)
    tuner = _tuner(spec, searcher)
    if assessor is None and spec.assessor:
        assessor = make_assessor(AlgorithmConfig(**spec.assessor), spec.maximize)
    return Plan(
        space=replace(tuner.space or Space.from_dict(spec.space), allowed=allowed_by(spec)),
        searcher=tuner.searcher,
        assessor=assessor,
        maximize=spec.maximize,
        metric=spec.metric,
        seed=spec.seed,
        concurrency=spec.concurrency,
        limits=Limits(trials=spec.trials, seconds=spec.seconds),
        budget=tuner.budget,
        short=spec.short,
        max_seconds=spec.max_seconds,
        max_failures=spec.max_failures,
        needs=needs_of(spec),
    )


def _tuner(spec: Spec, searcher: Searcher | None = None) -> Tuner:
    if searcher is None:
        tuner = make_tuner(AlgorithmConfig(**spec.tuner), spec.space)
    else:
        tuner = Tuner(searcher=searcher, maximize=spec.maximize, budget=space_of(spec)[1])
    if isinstance(tuner.searcher, Grid) and Space.from_dict(spec.space).size() > MAX_POINTS:
        raise ValueError(f"{spec.tuner['name']}: a grid needs a space without continuous parameters, not too large")
    if tuner.budget in spec.space:
        raise ValueError(f"{tuner.budget}: {spec.tuner['name']} decides it; the space cannot have it")
    return tuner
