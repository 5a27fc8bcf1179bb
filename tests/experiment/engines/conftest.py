import pytest

from fastcifar.experiment.engines.base import Trial
from fastcifar.experiment.engines.command.engine import CommandEngine
from fastcifar.experiment.engines.local.pool import WorkerEngine
from fastcifar.experiment.objectives.base import FunctionEvaluator

MODULE = """
import json, os, signal, sys, time

def square(params):
    return params["x"] ** 2

def offered(params, seed, report):
    report(0.5)
    return {"default": seed, "params": params, "pid": os.getpid()}

def misbehave(params, report):
    return eval(params["do"], globals() | {"report": report})

notes = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module that can be imported by name, here and in workers; each test has its own."""
    name = f"objective_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.fixture
def engine(tmp_path):
    """Makes engines of functions, which end with the test."""
    made = []

    def make(function, **settings):
        made.append(WorkerEngine(FunctionEvaluator(function), tmp_path / "log", **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def code(tmp_path):
    path = tmp_path / "code"
    path.mkdir()
    return path


@pytest.fixture
def make(tmp_path, code):
    """Makes engines, and sees that they leave nothing behind."""
    engines = []

    def engine(command, **options):
        engines.append(CommandEngine(command, code, tmp_path / "out", **{"grace": 0.2, **options}))
        return engines[-1]

    yield engine
    for engine in engines:
        engine.close()


@pytest.fixture
def trial(tmp_path):
    def make(number=0, **params):
        folder = tmp_path / "out" / "trials" / str(number)
        return Trial(number=number, experiment="exp", params=params, seed=11 + number, folder=folder)

    return make
