"""What names and arguments of tuners and assessors come to."""

import sys

import pytest

from fastcifar.experiment.tuners.algorithms import HyperoptTuner, Tuner, make_assessor, make_tuner
from fastcifar.nni.config import AlgorithmConfig, ConfigError
from fastcifar.search import (
    ASHA,
    GP,
    TPE,
    Batch,
    Evolution,
    Grid,
    History,
    Hyperband,
    MedianStop,
    Random,
    SpaceExhausted,
    trial_rng,
)


def named(name, **args):
    return AlgorithmConfig(name=name, class_args=args)


@pytest.mark.parametrize(
    ("config", "searcher"),
    [
        (named("TPE"), TPE()),
        (named("tpe", tpe_args={"n_startup_jobs": 5, "n_ei_candidates": 9}), TPE(startup=5, candidates=9)),
        (named("TPE", good_share=0.2, max_good=3, repeats=True), TPE(good_share=0.2, max_good=3, repeats=True)),
        (named("gp"), GP()),
        (named("GP", cold_start_num=4, exploration=1), GP(startup=4, exploration=1)),
        (named("Random"), Random()),
        (named("Evolution", population_size=7, sample=2), Evolution(population=7, sample=2)),
        (named("GridSearch"), Grid()),
        (named("grid_search"), Grid()),
        (named("Grid"), Grid()),
    ],
)
def test_searchers(config, searcher):
    assert make_tuner(config) == Tuner(searcher=searcher, maximize=True)


def test_hyperband():
    assert make_tuner(named("Hyperband")) == Tuner(searcher=Hyperband(high=60), maximize=True, budget="TRIAL_BUDGET")
    tuner = make_tuner(named("hyperband", R=27, eta=2, low=3, halving=True, budget="total_epoch"))
    assert tuner.searcher == Hyperband(low=3, high=27, eta=2, halving=True) and tuner.budget == "total_epoch"


@pytest.mark.parametrize("name", ["TPE", "GP", "Random", "Evolution", "Grid", "Hyperband"])
@pytest.mark.parametrize(("mode", "maximize"), [("maximize", True), ("minimize", False), (None, True)])
def test_mode_and_seed(name, mode, maximize):
    tuner = make_tuner(named(name, optimize_mode=mode, seed=7))
    assert (tuner.maximize, tuner.seed) == (maximize, 7)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (named("Anneal"), "tuner.name: 'Anneal' of NNI is not here; there are TPE, GP, Random, Evolution, GridSearch"),
        (named("ppo_tuner"), "tuner.name: 'ppo_tuner' of NNI is not here"),
        (named("BOHB"), "tuner.name: 'BOHB' of NNI is not here"),
        (named("Randon"), "tuner.name: 'Randon' is not known; did you mean Random"),
        (
            named("TPE", optimize_mode="max"),
            "tuner.class_args.optimize_mode: maximize or minimize is needed, not 'max'",
        ),
        (named("TPE", optimize_mode=["maximize"]), "tuner.class_args.optimize_mode: maximize or minimize is needed"),
        (
            named("TPE", seed=-1),
            "tuner.class_args.seed: a whole number at least 0 and at most 9,223,372,036,853 is needed, not -1",
        ),
        (
            named("TPE", tpe_args={"gamma": 0.2}),
            "tpe_args.gamma: the argument has no counterpart here; there are n_startup",
        ),
        (named("TPE", tpe_args=3), "tuner.class_args.tpe_args: an object of arguments is needed, not 3"),
        (named("TPE", tpe_args={"n_startup_jobs": 2}, startup=3), "class_args.startup: tpe_args has it too"),
        (named("TPE", good_share=1.5), "class_args.good_share: a number more than 0 and at most 1 is needed, not 1.5"),
        (
            named("TPE", gamma=1),
            "class_args.gamma: the argument has no counterpart here; there are optimize_mode, seed,",
        ),
        (named("GP", kappa=1), "class_args.kappa: the argument has no counterpart here"),
        (named("GP", startup=2, cold_start_num=2), "startup is there twice"),
        (named("Grid", x=1), "class_args.x: the argument has no counterpart here; there are optimize_mode, seed"),
        (named("Hyperband", exec_mode="serial"), "class_args.exec_mode: the argument has no counterpart here"),
        (named("Hyperband", low=9, R=3), "1 <= low <= high"),
        (named("Hyperband", budget=None), "tuner.class_args.budget: text is needed, not None"),
        (named("Batch"), "Batch needs the search space"),
        (AlgorithmConfig(), "neither is there"),
    ],
)
def test_tuners_refused(config, message):
    with pytest.raises(ConfigError) as caught:
        make_tuner(config)
    assert message in str(caught.value)


TRIALS = [{"optimizer": "Adam", "lr": 0.001}, {"optimizer": "SGD", "lr": 0.01}, {"optimizer": "SGD", "lr": 0.001}]


def test_batch():
    """The trials get what NNI's get: the options themselves, in their order."""
    tuner = make_tuner(named("Batch"), {"combined": {"_type": "choice", "_value": TRIALS}})
    assert isinstance(tuner.searcher, Batch) and [p.key for p in tuner.space.parameters] == ["optimizer", "lr"]
    history = History(tuner.space, tuner.maximize)
    for number, expected in enumerate(TRIALS):
        params = tuner.searcher.suggest(tuner.space, history, trial_rng(0, number))
        assert params == expected
        history.end(history.start(params), float(number))
    with pytest.raises(SpaceExhausted):
        tuner.searcher.suggest(tuner.space, history, trial_rng(0, 3))
    assert tuner.searcher.best(history) == TRIALS[2]


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"x": {"_type": "uniform", "_value": [0, 1]}}, "space.json: Batch needs one parameter, a choice of objects"),
        ({"x": {"_type": "choice", "_value": [1, 2]}}, "Batch needs one parameter"),
        (
            {"x": {"_type": "choice", "_value": TRIALS}, "y": {"_type": "choice", "_value": [1]}},
            "Batch needs one parameter",
        ),
        (
            {"x": {"_type": "choice", "_value": [{"a": 1}, {"b": 1}]}},
            "the same parameters; x[0] has ['a'], [1] has ['b']",
        ),
        ({"x": {"_type": "choice", "_value": [{}]}}, "the same parameters; x[0] has []"),
    ],
)
def test_batch_refused(space, message):
    with pytest.raises(ConfigError) as caught:
        make_tuner(named("Batch"), space, "space.json")
    assert message in str(caught.value)


MINE = """
from helper import START

class Mine:
    def __init__(self, step=1):
        self.step = step

    def suggest(self, space, history, rng):
        return {"x": START + self.step * len(history)}

    def best(self, history):
        return {"x": START}

    def assess(self, history, trial):
        return False

class Half:
    def suggest(self, space, history, rng): ...

number = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "helper.py").write_text("START = 10\n")
    (tmp_path / "broken.py").write_text("1 / 0\n")
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.delitem(sys.modules, "helper", raising=False)
    return tmp_path


def test_custom_tuner(folder):
    args = {"step": 2, "optimize_mode": "minimize", "seed": 4}
    config = AlgorithmConfig(class_name="mine.Mine", code_directory=folder, class_args=args)
    tuner = make_tuner(config)
    assert (tuner.maximize, tuner.seed, tuner.budget) == (False, 4, None)
    assert tuner.searcher.suggest(None, [0, 0, 0], None) == {"x": 16}


def test_custom_assessor(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert make_assessor(AlgorithmConfig(class_name="mine.Mine")).assess(None, 0) is False


def test_same_file_name_in_two_folders(folder):
    other = folder / "other"
    other.mkdir()
    (other / "mine.py").write_text(MINE.replace("START + ", "500 + "))
    made = [
        make_tuner(AlgorithmConfig(class_name="mine.Mine", code_directory=place)) for place in (folder, other, folder)
    ]
    assert [tuner.searcher.suggest(None, [], None) for tuner in made] == [{"x": 10}, {"x": 500}, {"x": 10}]


@pytest.mark.parametrize(
    ("class_name", "args", "message"),
    [
        ("none.Mine", {}, "tuner.class_name: file.Class with a file in"),
        ("Mine", {}, "tuner.class_name: file.Class with a file in"),
        ("mine.Yours", {}, "mine.py has no class Yours"),
        ("mine.number", {}, "mine.py has no class number"),
        ("mine.Half", {}, "tuner.class_name: mine.Half has no method best(history)"),
        ("broken.Mine", {}, "broken.py fails: ZeroDivisionError: division by zero"),
        ("mine.Mine", {"stop": 1}, "tuner.class_args: mine.Mine fails: TypeError: "),
    ],
)
def test_custom_refused(folder, class_name, args, message):
    with pytest.raises(ConfigError) as caught:
        make_tuner(AlgorithmConfig(class_name=class_name, code_directory=folder, class_args=args))
    assert message in str(caught.value)


def test_hyperopt_tuner():
    assert HyperoptTuner("tpe") == named("TPE", optimize_mode="minimize")
    assert make_tuner(HyperoptTuner("random_search", "maximize")) == Tuner(searcher=Random(), maximize=True)
    with pytest.raises(ConfigError, match="anneal of NNI is not here; there are tpe, random_search"):
        HyperoptTuner("anneal")
    with pytest.raises(ConfigError, match="'tpa' is not known; did you mean tpe"):
        HyperoptTuner("tpa")
    with pytest.raises(ConfigError, match="optimize_mode: 'max' is not known; did you mean maximize"):
        HyperoptTuner("tpe", "max")


@pytest.mark.parametrize(
    ("config", "assessor"),
    [
        (AlgorithmConfig(), None),
        (named("Medianstop", start_step=3, optimize_mode="maximize"), MedianStop(start_step=3)),
        (named("median_stop"), MedianStop()),
        (named("asha", first=2, eta=4), ASHA(first=2, eta=4)),
    ],
)
def test_assessors(config, assessor):
    assert make_assessor(config) == assessor
    assert make_assessor(config, maximize=True) == assessor


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (named("Curvefitting"), "assessor.name: 'Curvefitting' of NNI is not here; there are Medianstop, ASHA"),
        (named("Medianstopp"), "assessor.name: 'Medianstopp' is not known; did you mean Medianstop"),
        (named("Medianstop", start_step=-1), "assessor.class_args.start_step: a whole number at least 0"),
        (
            named("ASHA", start_step=1),
            "assessor.class_args.start_step: the argument has no counterpart here; there are",
        ),
        (named("ASHA", optimize_mode="minimize"), "assessor.class_args.optimize_mode: maximize is needed"),
        (AlgorithmConfig(class_args={"eta": 3}), "assessor: either name or class_name is needed; neither is there"),
    ],
)
def test_assessors_refused(config, message):
    with pytest.raises(ConfigError) as caught:
        make_assessor(config, maximize=True)
    assert message in str(caught.value)
