"""GPUs of trials, with a stand-in for nvidia-smi."""

import os
import time
from pathlib import Path

import pytest

from fastcifar.cli.search import Search
from fastcifar.experiment.engines.base import Ended, Trial
from fastcifar.experiment.engines.local.gpus import GPUError, GPUs
from fastcifar.experiment.engines.registry import engine_of, needs_of
from fastcifar.experiment.objectives.base import FunctionEvaluator
from fastcifar.experiment.spec import Spec
from fastcifar.search import optimize

SMI = """#!/bin/sh
case "$1" in
  --query-gpu*) printf '0, GPU-a\\n1, GPU-b\\n2, GPU-c\\n' ;;
  *) echo GPU-b ;;
esac
"""
X = {"x": {"_type": "uniform", "_value": [0, 1]}}
ENVIRONMENT = """
import os, sys
early = os.environ.get("CUDA_VISIBLE_DEVICES")  # when the function's module is imported, so before torch is
def f(params):
    return {"default": 1, "gpu": os.environ.get("CUDA_VISIBLE_DEVICES"), "early": early, "pid": os.getpid()}
"""


@pytest.fixture
def three_gpus(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text(SMI)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def visible(gpus, process, living=(), number=1, share=1.0):
    return gpus.environment(number, process, living, share)["CUDA_VISIBLE_DEVICES"]


def test_each_trial_gets_the_least_loaded(three_gpus):
    gpus = GPUs(use_active=True)
    assert gpus.capacity(1, 0.5) == 6
    assert [visible(gpus, n, range(n), share=0.5) for n in range(4)] == ["0", "1", "2", "0"]
    assert visible(gpus, 4, [0, 2, 3], share=0.5) == "1"  # trial 1 has ended
    assert visible(gpus, 5, [2, 3], share=0.5) == "1"  # GPU 0 has half a trial, and GPU 2


def test_a_share_weighs_what_it_is(three_gpus):
    gpus = GPUs(use_active=True)
    assert visible(gpus, 0) == "0"
    assert [visible(gpus, n, range(n), share=0.25) for n in range(1, 7)] == ["1", "2", "1", "2", "1", "2"]
    assert visible(gpus, 7, range(7), number=2) == "1,2"


def test_one_gpu_is_enough_for_a_trial_of_one(three_gpus):
    gpus = GPUs(indices=[2])
    assert gpus.capacity(1) == 1 and visible(gpus, 0) == "2"


def test_busy_gpus_are_left_alone(three_gpus, monkeypatch):
    gpus = GPUs()
    assert gpus.capacity(2) == 1 and visible(gpus, 0, number=2) == "0,2"
    with pytest.raises(GPUError, match="needs 3 free GPUs; there are 2"):
        gpus.capacity(3)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-b,GPU-c")
    assert visible(GPUs(), 0) == "GPU-c"


def test_none_are_hidden_or_unknown(three_gpus):
    assert visible(GPUs(), 0, number=0) == "-1"
    with pytest.raises(GPUError, match="no GPU 7; there are 0, 1, 2"):
        GPUs(indices=[7]).capacity(1)


def test_the_numbers_are_those_of_nvidia_smi(three_gpus):
    assert GPUs().environment(1, 0, ())["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_what_is_hidden_from_the_search_is_hidden_from_its_trials(three_gpus, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, 0")
    gpus = GPUs(use_active=True)
    assert [gpus.environment(1, n, range(n)) for n in range(3)] == [{"CUDA_VISIBLE_DEVICES": name} for name in "202"]
    with pytest.raises(GPUError, match="no GPU 1; there are 2, 0"):
        GPUs(indices=[1]).capacity(1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with pytest.raises(GPUError, match="needs 1 GPUs; there are 0"):
        GPUs(use_active=True).capacity(1)


def test_without_a_driver(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(GPUError, match=r"nvidia-smi does not say.*; CUDA_VISIBLE_DEVICES may name them"):
        GPUs(use_active=True).capacity(1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-x,MIG-y")
    assert GPUs(use_active=True).capacity(1) == 2


def copied(params):
    return {"default": 1, "gpu": os.environ["CUDA_VISIBLE_DEVICES"], "pid": os.getpid()}


@pytest.mark.parametrize("kind", ["named", "copied"])
def test_workers_are_spread_and_stay_where_they_are(three_gpus, tmp_path, monkeypatch, kind):
    """Four workers on three GPUs; the one that takes the place of a dead one gets its GPU."""
    (tmp_path / "environment_of.py").write_text(ENVIRONMENT)
    monkeypatch.syspath_prepend(tmp_path)
    evaluator = FunctionEvaluator("environment_of:f" if kind == "named" else lambda params: copied(params))
    spec = Spec(space=X, concurrency=4, gpus={"number": 1, "use_active": True})
    engine = engine_of(spec, tmp_path, evaluator)
    try:
        first = run(engine, range(4), needs_of(spec))
        assert sorted(one["gpu"] for one in first) == ["0", "0", "1", "2"]
        assert kind == "copied" or all(one["early"] == one["gpu"] for one in first)
        home = {one["pid"]: one["gpu"] for one in first}
        for number in range(4, 7):
            (again,) = run(engine, [number], needs_of(spec))
            assert home[again["pid"]] == again["gpu"]
        killed = engine.workers[1]
        killed.process.kill()
        killed.process.wait() if kind == "named" else killed.process.join()
        engine.events(1.0)
        (new,) = [one for one in run(engine, range(7, 11), needs_of(spec)) if one["pid"] not in home]
        assert new["gpu"] == home[killed.process.pid]
    finally:
        engine.close()


def run(engine, numbers, needs):
    """What the trials return, which run beside each other."""
    for number in numbers:
        one = Trial(number=number, experiment="e", params={"x": 0.5}, seed=0, folder=Path("unused"), needs=needs)
        engine.start(one)
    found, until = [], time.monotonic() + 20
    while len(found) < len(numbers):
        assert time.monotonic() < until
        found += [event for event in engine.events(1.0) if isinstance(event, Ended)]
    return [end.metrics for end in found if end.value == 1]


@pytest.fixture
def torch_finds_three(three_gpus, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.setattr("fastcifar.experiment.objectives.training.budget.WORKER_BYTES", 1)


def asked(tmp_path, **flags):
    """What the command line makes of its flags."""
    (tmp_path / "lr.json").write_text('{"peak_lr": {"_type": "uniform", "_value": [0.1, 0.6]}}')
    spec = Search(space=tmp_path / "lr.json", **flags)._spec()
    return spec.device, spec.gpus and spec.gpus["number"], spec.concurrency


@pytest.mark.usefixtures("torch_finds_three")
def test_trainings_are_spread_over_all_gpus(tmp_path, monkeypatch):
    assert asked(tmp_path) == ("cuda", 1, 3)
    assert asked(tmp_path, concurrency=6) == ("cuda", 1, 6)
    assert asked(tmp_path, device="cuda:1") == ("cuda:1", None, 1)
    assert asked(tmp_path, device="cpu")[:2] == ("cpu", None)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert asked(tmp_path) == ("cuda", None, 1)  # nobody need be asked


@pytest.mark.usefixtures("torch_finds_three")
def test_functions_and_commands_get_gpus_where_asked(tmp_path):
    assert asked(tmp_path, command="ls", trials=1) == ("auto", None, 1)
    assert asked(tmp_path, command="ls", trials=1, trial_gpus=1) == ("auto", 1, 3)
    assert asked(tmp_path, command="ls", trials=1, trial_gpus=2) == ("auto", 2, 1)
    assert asked(tmp_path, command="ls", trials=1, trial_gpus=0) == ("auto", 0, 1)
    assert asked(tmp_path, objective="json:dumps", trials=1, trial_gpus=1, concurrency=5) == ("auto", 1, 5)
    with pytest.raises(GPUError, match="needs 4 GPUs; there are 3"):
        asked(tmp_path, command="ls", trials=1, trial_gpus=4)
    with pytest.raises(ValueError, match="--trial-gpus: a training has one GPU"):
        asked(tmp_path, trial_gpus=1)


def test_optimize_hides_gpus(tmp_path):
    found = optimize(
        lambda params: int(os.environ["CUDA_VISIBLE_DEVICES"]),
        X,
        trials=1,
        trial_gpus=0,
        tuner="Random",
        out=tmp_path,
    )
    assert found["best_value"] == -1
