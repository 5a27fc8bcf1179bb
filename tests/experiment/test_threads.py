"""Threads of trials: what workers and commands are told, and that a spec keeps it."""

import os

import pytest

from fastcifar.experiment.engines import registry
from fastcifar.experiment.engines.registry import engine_of, needs_of, resources_of
from fastcifar.experiment.objectives.base import FunctionEvaluator
from fastcifar.experiment.one_call import optimize
from fastcifar.experiment.spec import Spec
from fastcifar.nni.experiment import Experiment
from fastcifar.supernet import Limits
from fastcifar.supernet.search import Asked

SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}}


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    for name in ("OMP_NUM_THREADS", "GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(registry, "share_of_cores", lambda concurrency: 8 // concurrency)


def worker_variables(folder, **settings):
    spec = Spec(space=SPACE, **settings)
    engine = engine_of(spec, folder, FunctionEvaluator(os.getpid, "default"))
    engine.close()
    return {**engine.environment, **engine.resources.environment(needs_of(spec), 0, [])}


def test_workers_have_the_specs_number(tmp_path, monkeypatch):
    assert worker_variables(tmp_path, threads=3) == {"OMP_NUM_THREADS": "3", "GOMP_SPINCOUNT": "1000"}
    monkeypatch.setenv("OMP_NUM_THREADS", "5")  # of a later session: the spec's own stays
    assert worker_variables(tmp_path, threads=3)["OMP_NUM_THREADS"] == "3"


def test_specs_of_earlier_versions_share_the_cores(tmp_path, monkeypatch):
    old = Spec(space=SPACE).to_dict()
    del old["threads"]
    assert Spec.from_dict(old).threads is None
    assert worker_variables(tmp_path, concurrency=2)["OMP_NUM_THREADS"] == "4"
    monkeypatch.setenv("OMP_NUM_THREADS", "5")  # is inherited
    assert "OMP_NUM_THREADS" not in worker_variables(tmp_path, concurrency=2)


def test_a_command_is_told_only_where_it_is_asked_for(tmp_path):
    def told(**settings):
        spec = Spec(space=SPACE, command="true", **settings)
        return resources_of(spec).environment(needs_of(spec), 0, [])

    assert told() == {}
    assert told(threads=2) == {"OMP_NUM_THREADS": "2"}
    assert told(threads=2, gpus={"number": 0}) == {"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "-1"}


def test_a_function_of_this_process_alone_keeps_its_threads(tmp_path):
    with pytest.raises(ValueError, match="threads: a function without a name that can be imported keeps those"):
        optimize(lambda params: 0.0, SPACE, trials=1, threads=2, out=tmp_path)
    with pytest.raises(ValueError, match="threads: a whole number from 1 to 1,024 is needed, not 0"):
        optimize("os:getpid", SPACE, trials=1, threads=0, out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_experiments_commands(tmp_path):
    experiment = Experiment("local")
    experiment.config.search_space = SPACE
    experiment.config.trial_command = "true"
    experiment.config.max_trial_number = experiment.config.trial_concurrency = 1
    experiment.config.tuner.name = "Random"
    assert experiment._spec().threads is None
    experiment.threads = 2
    assert experiment._spec().threads == 2


def test_a_supernets_search_keeps_its_number():
    asked = Asked(method="fair", rates="equal", limits=Limits(), trainings=6, threads=2)
    document = asked.to_dict()
    assert Asked.from_dict(document) == asked
    del document["threads"]  # of an earlier version
    assert Asked.from_dict(document).threads is None
