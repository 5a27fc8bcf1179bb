"""The process that begins a search leaves CUDA alone: else its copies, in which the trials run, could not use it."""

import pytest
import torch

import fastcifar.nas.nn as nn
from fastcifar.experiment.engines.local.copies import EXPLAINED
from fastcifar.experiment.store.store import Store
from fastcifar.nas import (
    Classification,
    FunctionalEvaluator,
    RetiariiExeConfig,
    RetiariiExperiment,
    model_wrapper,
    strategy,
)
from fastcifar.nas.evaluator import find_device
from fastcifar.search import optimize, report_final_result

ASKS = ("is_available", "device_count", "_lazy_init", "init", "get_device_name", "current_device", "mem_get_info")


@model_wrapper
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.LayerChoice([nn.Linear(4, 2), nn.Sequential(nn.Linear(4, 2), nn.ReLU())])

    def forward(self, x):
        return self.layer(x)


def batches(seed=0):
    inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(seed))
    return [(inputs, (inputs[:, 0] > 0).long())]


def experiment(out, evaluator):
    return RetiariiExperiment(Net(), evaluator, [], strategy.GridSearch(), out=out)


@pytest.fixture
def asked(monkeypatch):
    """What this process asks of CUDA, by name; its copies have lists of their own."""
    names = []
    for name in ASKS:
        monkeypatch.setattr(torch.cuda, name, lambda *args, name=name: bool(names.append(name)))
    return names


def test_a_search_of_networks_leaves_cuda_to_its_trials(tmp_path, asked):
    """Each trial finds its device itself: it asks once for each network."""
    made = experiment(tmp_path, Classification(train=batches(), valid=batches(1)))
    assert made.run(RetiariiExeConfig("local")) and asked == []
    assert len(made.ranking()) == 2
    Classification(train=batches(), valid=batches(1)).evaluate(lambda: torch.nn.Linear(4, 2))
    assert asked == ["is_available"]


def test_a_search_of_a_function_leaves_cuda_to_its_trials(tmp_path, asked):
    space = {"x": {"_type": "uniform", "_value": [0, 1]}}
    found = optimize(lambda params: float(torch.cuda.is_available()), space, trials=2, tuner="Random", out=tmp_path)
    assert found["best"] is not None and asked == []


def test_a_trial_that_is_kept_from_cuda_says_what_helps(tmp_path, monkeypatch):
    """As in a copy of a process that has asked for a GPU: torch says so when the first tensor is made."""
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert find_device(None) == torch.device("cuda") and find_device("cpu") == torch.device("cpu")

    def evaluate(model_class):
        if find_device(None).type == "cuda":
            raise RuntimeError("Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, ...")
        report_final_result(1)

    made = experiment(tmp_path, FunctionalEvaluator(evaluate))
    made.run(RetiariiExeConfig("local", max_trial_number=1))
    store = Store.read(made.folder)
    (row,) = store.trials()
    store.close()
    assert row.message == EXPLAINED and "Cannot re-initialize CUDA" in row.metrics["traceback"]


def test_without_a_name_it_is_what_is_there(monkeypatch):
    for there, kind in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert find_device(None).type == kind
    with pytest.raises(ValueError, match="device: 'gpu' is not known; cpu, cuda or cuda:N is needed"):
        Classification(train=batches(), valid=batches(1), device="gpu")
