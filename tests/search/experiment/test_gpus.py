"""GPUs of commands, with a stand-in for nvidia-smi."""

from pathlib import Path

import pytest

from fastcifar.search.experiment.engine import Trial
from fastcifar.search.experiment.gpus import GPUError, GPUs

SMI = """#!/bin/sh
case "$1" in
  --query-gpu*) printf '0, GPU-a\\n1, GPU-b\\n2, GPU-c\\n' ;;
  *) echo GPU-b ;;
esac
"""


@pytest.fixture
def three_gpus(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text(SMI)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


def visible(gpus, number, running=()):
    trial = Trial(number=number, experiment="e", params={}, seed=0, folder=Path("x"))
    return gpus.environment(trial, running)["CUDA_VISIBLE_DEVICES"]


def test_each_trial_gets_the_least_loaded(three_gpus):
    gpus = GPUs(number=1, trials_per_gpu=2, use_active=True)
    assert gpus.capacity() == 6
    assert [visible(gpus, n, range(n)) for n in range(4)] == ["0", "1", "2", "0"]
    assert visible(gpus, 4, [0, 2, 3]) == "1"  # trial 1 has ended


def test_one_gpu_is_enough_for_a_trial_of_one(three_gpus):
    gpus = GPUs(number=1, indices=[2])
    assert gpus.capacity() == 1 and visible(gpus, 0) == "2"


def test_busy_gpus_are_left_alone(three_gpus):
    gpus = GPUs(number=2)
    assert gpus.capacity() == 1 and visible(gpus, 0) == "0,2"
    with pytest.raises(GPUError, match="needs 3 free GPUs; there are 2"):
        GPUs(number=3)


def test_none_are_hidden_or_unknown(three_gpus):
    assert visible(GPUs(number=0), 0) == "-1"
    with pytest.raises(GPUError, match="no GPU 7; there are 0, 1, 2"):
        GPUs(number=1, indices=[7])


def test_without_a_driver(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GPUError, match="nvidia-smi does not say"):
        GPUs(number=1)
