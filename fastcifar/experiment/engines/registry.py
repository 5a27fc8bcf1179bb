"""The engine of a search: workers for Python, processes for a command."""

import os
from pathlib import Path

from fastcifar.experiment.engines.base import Engine, Needs
from fastcifar.experiment.engines.command.engine import CommandEngine
from fastcifar.experiment.engines.local.gpus import GPUs
from fastcifar.experiment.engines.local.pool import WorkerEngine
from fastcifar.experiment.engines.local.resources import THREADS, Resources
from fastcifar.experiment.objectives.base import Evaluator
from fastcifar.experiment.objectives.registry import evaluator_of
from fastcifar.experiment.spec import Spec, TrialGPUs
from fastcifar.machine import share_of_cores, short_waits


def engine_of(spec: Spec, folder: Path, evaluator: Evaluator | None = None) -> Engine:
    """The engine that runs the trials. evaluator: replaces the spec's own if that has no importable name."""
    resources = resources_of(spec)
    if spec.command is not None:
        code = Path(spec.code_directory)
        return CommandEngine(spec.command, code, folder / "trials", limit=spec.trial_seconds, resources=resources)
    return WorkerEngine(
        evaluator or evaluator_of(spec),
        folder / "workers",
        limit=spec.trial_seconds,
        environment=_waiting_shortly(),
        resources=resources,
    )


def needs_of(spec: Spec) -> Needs:
    """The resources of each trial of a search. Unless `threads` is set, a command chooses its threads itself."""
    threads = spec.threads
    if threads is None and spec.command is None and THREADS not in os.environ:
        threads = share_of_cores(spec.concurrency)
    gpus = _gpus(spec)
    return Needs(threads=threads, gpus=gpus.number, gpu_share=1 / gpus.trials_per_gpu)


def resources_of(spec: Spec) -> Resources:
    """The resources that its trials share: this machine, with the GPUs that the search may use."""
    gpus = _gpus(spec)
    return Resources(GPUs(gpus.indices, gpus.use_active))


def gpu_capacity(spec: Spec) -> float:
    """How many of its trials fit on the GPUs at once. Raises GPUError if none does."""
    needs = needs_of(spec)
    return resources_of(spec).capacity(Needs(gpus=needs.gpus, gpu_share=needs.gpu_share))


def _gpus(spec: Spec) -> TrialGPUs:
    return TrialGPUs(number=None) if spec.gpus is None else TrialGPUs(**spec.gpus)


def _waiting_shortly() -> dict[str, str]:
    """Variables that let a worker's waiting threads sleep instead of occupying cores."""
    environment = dict(os.environ)
    short_waits(environment)
    return {name: value for name, value in environment.items() if os.environ.get(name) != value}
