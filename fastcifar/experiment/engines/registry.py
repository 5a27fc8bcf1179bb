"""The engine of a search: workers for what is Python, processes for a command."""

import os
from collections.abc import Mapping
from pathlib import Path

from fastcifar.experiment.engines.base import Engine, Variables, no_variables
from fastcifar.experiment.engines.command.engine import CommandEngine
from fastcifar.experiment.engines.local.gpus import GPUs
from fastcifar.experiment.engines.local.pool import WorkerEngine
from fastcifar.experiment.objectives.base import Evaluator
from fastcifar.experiment.objectives.registry import evaluator_of
from fastcifar.experiment.spec import Spec
from fastcifar.machine import share_of_cores, short_waits

THREADS = "OMP_NUM_THREADS"  # what torch and most others read when they are loaded


def engine_of(spec: Spec, folder: Path, evaluator: Evaluator | None = None) -> Engine:
    """What runs the trials; `evaluator` in place of the spec's own, where it has no name."""
    variables: Variables = no_variables if spec.gpus is None else GPUs(**spec.gpus).environment
    if spec.command is not None:
        code = Path(spec.code_directory)
        if spec.threads is not None:
            variables = _with(variables, {THREADS: str(spec.threads)})
        return CommandEngine(spec.command, code, folder / "trials", limit=spec.trial_seconds, environment=variables)
    evaluator = evaluator or evaluator_of(spec)
    return WorkerEngine(
        evaluator,
        folder / "workers",
        limit=spec.trial_seconds,
        environment=_worker_environment(spec),
        variables=variables,
    )


def _worker_environment(spec: Spec) -> dict[str, str]:
    """How a worker computes: with how many threads, and how those wait."""
    environment = dict(os.environ)
    short_waits(environment)
    if spec.threads is not None or THREADS not in environment:
        environment[THREADS] = str(spec.threads or share_of_cores(spec.concurrency))
    return {name: value for name, value in environment.items() if os.environ.get(name) != value}


def _with(variables: Variables, more: Mapping[str, str]) -> Variables:
    """`variables`, and `more` for every process."""
    return lambda number, living: {**variables(number, living), **more}
