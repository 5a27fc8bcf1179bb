"""What fits on this machine beside each other, and what a process is told."""

import os
from pathlib import Path

import pytest

from fastcifar.experiment.engines.base import Ended, Needs, Trial
from fastcifar.experiment.engines.local import resources
from fastcifar.experiment.engines.local.pool import WorkerEngine
from fastcifar.experiment.engines.local.resources import Resources
from fastcifar.experiment.engines.registry import needs_of
from fastcifar.experiment.objectives.base import FunctionEvaluator
from fastcifar.experiment.spec import Spec
from fastcifar.machine import share_of_cores

X = {"x": {"_type": "uniform", "_value": [0, 1]}}


class FourGPUs:
    there = "0123"

    def capacity(self, number, share=1.0):
        return float("inf") if number == 0 else int(4 / share) // number


@pytest.mark.parametrize(
    ("needs", "room"),
    [
        (Needs(), float("inf")),
        (Needs(threads=3), 2),
        (Needs(threads=16), 1),  # more than there are: one at a time
        (Needs(memory=3_000), 3),
        (Needs(memory=10**9), 1),
        (Needs(threads=1, memory=1_000, gpus=1), 4),
        (Needs(threads=1, memory=1_000, gpus=1, gpu_share=0.5), 8),
        (Needs(threads=1, memory=2_000, gpus=1, gpu_share=0.5), 5),
        (Needs(threads=4, gpus=0), 2),
    ],
)
def test_what_fits(monkeypatch, needs, room):
    monkeypatch.setattr(resources, "cores", lambda: 8)
    monkeypatch.setattr(resources, "free_memory", lambda: 10_000)
    assert Resources(FourGPUs()).capacity(needs) == room


def test_what_a_process_is_told():
    here = Resources()
    assert here.environment(Needs(), 0, []) == {}
    assert here.environment(Needs(threads=2, gpus=0), 0, []) == {"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "-1"}


def test_a_worker_serves_trials_of_its_needs_only(tmp_path):
    engine = WorkerEngine(FunctionEvaluator(told), tmp_path)
    try:
        first = ended(engine, 0, Needs(threads=1))
        again = ended(engine, 1, Needs(threads=1))
        other = ended(engine, 2, Needs(threads=3))
        assert [one["threads"] for one in (first, again, other)] == ["1", "1", "3"]
        assert first["pid"] == again["pid"] != other["pid"]
    finally:
        engine.close()


def told(params):
    return {"default": 1, "threads": os.environ["OMP_NUM_THREADS"], "pid": os.getpid()}


def ended(engine, number, needs):
    engine.start(Trial(number=number, experiment="e", params={}, seed=0, folder=Path("unused"), needs=needs))
    while True:
        for event in engine.events(1.0):
            if isinstance(event, Ended):
                assert event.value == 1, event.message
                return event.metrics


def test_the_needs_of_a_search(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert needs_of(Spec(space=X, function="a:b")) == Needs(threads=share_of_cores(1))
    assert needs_of(Spec(space=X, function="a:b", threads=3)) == Needs(threads=3)
    assert needs_of(Spec(space=X, command="true")) == Needs()
    gpus = {"number": 2, "trials_per_gpu": 4}
    assert needs_of(Spec(space=X, command="true", gpus=gpus)) == Needs(gpus=2, gpu_share=0.25)
