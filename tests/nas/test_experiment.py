"""Experiments over a space of networks, and the tutorial of the docs."""

import json
import re
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import onnxruntime
import pytest
import torch
import torch.nn.functional as F

import fastcifar.nas.nn as nn
import fastcifar.search as nni
from fastcifar.experiment.store.store import Store
from fastcifar.experiment.store.trust import LOADED, TRUSTED, UntrustedError
from fastcifar.nas import (
    Classification,
    FunctionalEvaluator,
    RetiariiExeConfig,
    RetiariiExperiment,
    model_wrapper,
    strategy,
)
from fastcifar.nas.code import to_code

DOCS = Path(__file__).parents[2] / "docs" / "nas.md"


@model_wrapper
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = nn.ValueChoice([2, 4])
        self.layer = nn.LayerChoice(
            [nn.Linear(4, width), nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, width))]
        )
        self.scale = nn.Parameter(torch.ones(1))
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        return self.head(F.relu(self.layer(x))) * self.scale


def batches(seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(64, 4, generator=generator)
    return [(inputs, (inputs[:, 0] > 0).long())]


def evaluate(model_cls):
    model = model_cls()
    nni.report_intermediate_result(model.head.in_features)
    nni.report_final_result({"default": model.head.in_features + len(list(model.parameters())) / 100, "seen": True})
    nni.report_final_result(-1)  # the first counts


def experiment(out, evaluator=None, one=None, model=None):
    evaluator = evaluator or FunctionalEvaluator(evaluate)
    return RetiariiExperiment(model or Net(), evaluator, [], one or strategy.GridSearch(), out=out)


def test_all_networks_are_tried_ranked_and_kept(tmp_path, capsys):
    made = experiment(tmp_path)
    assert made.run(RetiariiExeConfig("local"), 8081)
    assert "port 8081 has no use yet" in capsys.readouterr().err
    ranked = made.ranking()
    assert [one["score"] for one in ranked] == [4.07, 4.05, 2.07, 2.05]
    assert made.export_top_models(2) == [{"model_1": 4, "model_2": "1"}, {"model_1": 4, "model_2": "0"}]
    assert made.export_top_models(1, "minimize") == [{"model_1": 2, "model_2": "0"}]
    (network,) = made.export_top_models(formatter="instance")
    assert len(network.layer) == 3
    assert all(Path(one["weights"]).exists() for one in ranked)
    store = Store.read(made.folder)
    rows, reports = list(store.trials()), store.reports()
    store.close()
    assert all(row.metrics["seen"] for row in rows) and sorted(reports[0]) == [2.0]


def test_an_instance_has_the_weights_of_its_trial_and_the_code_computes_the_same(tmp_path):
    evaluator = Classification(train=batches() * 20, valid=batches(1), epochs=2, lr=0.01, device="cpu")
    made = experiment(tmp_path, evaluator)
    made.run(RetiariiExeConfig(max_trial_number=3))
    best = made.ranking()[0]
    (network,) = made.export_top_models(formatter="instance")
    inputs, labels = batches(1)[0]
    assert best["score"] > 80
    assert 100 * float((network(inputs).argmax(1) == labels).float().mean()) == pytest.approx(best["score"])
    (code,) = made.export_top_models(formatter="code")
    assert "fastcifar" not in code.split('"""')[2]
    found = {}
    exec(code, found)
    written = found["Model"]()
    written.load_state_dict(network.state_dict())
    torch.testing.assert_close(written(inputs), network(inputs))


@pytest.mark.parametrize("one", [strategy.SinglePath(ranked=3, kept=2), strategy.SinglePath()], ids=["some", "all"])
def test_one_shot_ends_in_a_ranking_with_weights(tmp_path, one):
    evaluator = Classification(train=batches() * 30, valid=batches(1), epochs=2, lr=0.01, device="cpu")
    made = experiment(tmp_path, evaluator, one)
    assert made.run(RetiariiExeConfig(seed=3))
    ranked = made.ranking()
    assert len(ranked) == (4 if one.ranked > 4 else len(ranked)) and ranked[0]["score"] >= ranked[-1]["score"]
    (network,) = made.export_top_models(formatter="instance")
    inputs, labels = batches(1)[0]
    network.eval()
    assert 100 * float((network(inputs).argmax(1) == labels).float().mean()) == pytest.approx(ranked[0]["score"])
    again = experiment(tmp_path, evaluator, one)
    again.run(RetiariiExeConfig(seed=3))
    assert [(x["sample"], x["score"]) for x in again.ranking()] == [(x["sample"], x["score"]) for x in ranked]


def test_a_one_shot_score_that_is_no_number_is_a_failure(tmp_path, monkeypatch):
    sample = {"model_1": 2, "model_2": "0"}
    ranked = [SimpleNamespace(sample=sample, score=score, weights={}) for score in (81.5, float("nan"))]
    monkeypatch.setattr(strategy.SinglePath, "run", lambda *_: ranked)
    made = experiment(tmp_path, Classification(train=batches(), valid=batches()), strategy.SinglePath())
    assert made.run()
    with closing(Store.read(made.folder)) as store:
        assert [(row.state, row.value, row.message) for row in store.trials()] == [
            ("finished", 81.5, ""),
            ("failed", None, "the result is nan"),
        ]
    assert [one["score"] for one in made.ranking()] == [81.5]


def test_classes_of_a_loaded_experiment_need_trust(tmp_path):
    made = experiment(tmp_path, FunctionalEvaluator(evaluate))
    made.run(RetiariiExeConfig(max_trial_number=1))
    (tmp_path / "mine.py").write_text("from fastcifar.search import Random\nclass Mine(Random): ...\n")
    tuner = {"class_name": "mine.Mine", "code_directory": str(tmp_path)}
    with closing(Store.open(made.folder)) as store:
        store.set({"spec": {**store.meta()["spec"], "trials": 2, "tuner": tuner}, LOADED: "one.tar.gz", TRUSTED: False})
    with pytest.raises(UntrustedError, match=r"the tuner class mine\.Mine"):
        made.resume(made.folder)
    assert made.resume(made.folder, trust=True) and len(made.ranking()) == 2


def test_what_a_trial_writes_lies_in_its_folder(tmp_path):
    def evaluate_with_onnx(model_cls):
        import os

        model = model_cls().eval()
        path = Path(os.environ["NNI_OUTPUT_DIR"]) / "model.onnx"
        torch.onnx.export(model, (torch.zeros(1, 4),), str(path), external_data=False, verbose=False)
        nni.report_final_result(1.0)

    made = experiment(tmp_path, FunctionalEvaluator(evaluate_with_onnx))
    made.run(RetiariiExeConfig(max_trial_number=1))
    (network,) = made.export_top_models(formatter="instance")
    session = onnxruntime.InferenceSession(made.folder / "trials" / "0" / "model.onnx")
    (name,) = (one.name for one in session.get_inputs())
    inputs = batches()[0][0][:1]
    torch.testing.assert_close(
        torch.tensor(session.run(None, {name: inputs.numpy()})[0]), network.eval()(inputs).detach()
    )


def failures(made):
    store = Store.read(made.folder)
    messages = [row.message for row in store.trials()]
    store.close()
    return messages


def test_what_goes_wrong_in_a_trial_is_said(tmp_path):
    @model_wrapper
    class Bad(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.LayerChoice([nn.Linear(4, 2), nn.Linear(4, 3)])
            self.b = nn.Linear(2, 2)

        def forward(self, x):
            return self.b(self.a(x))

    evaluator = Classification(train=batches(), valid=batches(), device="cpu")
    made = experiment(tmp_path, evaluator, model=Bad())
    made.run()
    assert len(made.ranking()) == 1
    assert "the evaluation of {'model_1': '1'} fails: RuntimeError: mat1 and mat2 shapes cannot be" in failures(made)[1]
    with pytest.raises(ValueError, match=r"the network of \{'model_1': '1'\} fails"):
        experiment(tmp_path, evaluator, strategy.SinglePath(), Bad()).run()

    silent = experiment(tmp_path, FunctionalEvaluator(lambda model_cls: model_cls()))
    with pytest.raises(ValueError, match="the evaluator has reported no final result"):
        silent.run()
    assert len(failures(silent)) == 1


def test_of_several_networks_of_a_trial_the_trained_one_is_kept(tmp_path):
    def evaluate_and_draw(model_cls):
        model_cls()  # to be drawn
        model = model_cls()
        with torch.no_grad():
            model.scale.fill_(7.0)
        model_cls()
        nni.report_final_result(1.0)

    made = experiment(tmp_path, FunctionalEvaluator(evaluate_and_draw))
    made.run(RetiariiExeConfig(max_trial_number=1))
    (network,) = made.export_top_models(formatter="instance")
    assert network.scale.item() == 7


def test_a_killed_experiment_goes_on(tmp_path):
    def once(model_cls):
        if len(list(tmp_path.glob("seen*"))) == 2:
            (tmp_path / "seen").touch()
            raise SystemExit
        (tmp_path / f"seen{len(list(tmp_path.glob('seen*')))}").touch()
        evaluate(model_cls)

    made = experiment(tmp_path / "runs", FunctionalEvaluator(once))
    made.run(RetiariiExeConfig(max_trial_number=2))
    store = Store.open(made.folder)
    spec = store.meta()["spec"]
    store.set({"spec": {**spec, "trials": 4}})  # as if it had been ended after two
    store.close()
    (tmp_path / "seen").touch()
    other = experiment(tmp_path / "runs")
    assert other.resume(made.folder) and len(other.ranking()) == 4
    later = experiment(tmp_path / "runs")
    later.view(made.folder)
    assert later.ranking() == other.ranking()

    @model_wrapper
    class Another(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.ValueChoice([1, 2])

    with pytest.raises(ValueError, match="the experiment is of another space"):
        experiment(tmp_path / "runs", model=Another()).view(made.folder)


def test_the_seed_decides_what_trials_draw(tmp_path):
    def draw(model_cls):
        nni.report_final_result(float(torch.rand(())))

    def values(concurrency):
        made = experiment(tmp_path, FunctionalEvaluator(draw))
        made.run(RetiariiExeConfig(trial_concurrency=concurrency))
        return {one["trial"]: one["score"] for one in made.ranking()}

    assert values(1) == values(2) and len(set(values(1).values())) == 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda out: experiment(out, model=nn.ReLU()), "a model space is needed"),
        (
            lambda out: RetiariiExperiment(Net(), FunctionalEvaluator(evaluate), [1], strategy.Random(), out=out),
            "mutators",
        ),
        (lambda out: RetiariiExperiment(Net(), FunctionalEvaluator(evaluate), out=out), "strategy: one is needed"),
        (lambda out: experiment(out, evaluate), "evaluator: a FunctionalEvaluator or a Classification is needed"),
        (lambda out: experiment(out, one=strategy.SinglePath()), "evaluator: SinglePath trains by itself"),
        (
            lambda out: experiment(out, one=strategy.Random),
            r"strategy: one of those in fastcifar\.nas\.strategy is needed",
        ),
        (
            lambda out: experiment(out).run(RetiariiExeConfig(trial_concurrency=None)),
            "trial_concurrency: a whole number",
        ),
        (
            lambda out: experiment(out, Classification(train=batches(), valid=batches()), strategy.DARTS()),
            r"model_1: DARTS mixes layers, and single inputs; a value choice of \[2, 4\] cannot be mixed",
        ),
        (lambda out: FunctionalEvaluator(3), "FunctionalEvaluator: a function of the model class is needed, not 3"),
        (lambda out: experiment(out).ranking(), "the experiment has not run"),
        (
            lambda out: setattr(RetiariiExeConfig(), "max_trial_numbr", 3),
            "no field 'max_trial_numbr'.*max_trial_number",
        ),
        (lambda out: experiment(out).run(RetiariiExeConfig("remote")), "remote"),
        (
            lambda out: experiment(out).run(RetiariiExeConfig(max_trial_number=0)),
            "max_trial_number: a whole number at le",
        ),
        (
            lambda out: experiment(out).run(RetiariiExeConfig(execution_engine="cgo")),
            "execution_engine: 'cgo' is not known",
        ),
        (lambda out: experiment(out, one=strategy.Random(dedup=False)).run(), "max_trial_number: it is needed where a"),
        (lambda out: experiment(out).export_top_models(formatter="yaml"), "formatter: 'yaml' is none of dict, code"),
    ],
)
def test_mistakes_are_named_before_anything_is_made(tmp_path, make, message):
    with pytest.raises(ValueError, match=message):
        make(tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_as_code_is_said():
    class Depends(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(ValueError, match="deep: its forward pass cannot be written as code"):
        to_code(Depends(), "deep")

    class Always(nn.Module):
        def forward(self, x):
            return F.dropout(x, 0.5, self.training)

    with pytest.raises(ValueError, match="its forward pass does not ask a module whether it trains"):
        to_code(Always(), "dropout")
    layers = [nn.Conv2d(1, 2, 3, padding="same"), nn.AvgPool2d(3, padding=1, count_include_pad=False), nn.Flatten()]
    torch.manual_seed(0)
    network, x = nn.Sequential(*layers, nn.Linear(8, 1)), torch.randn(2, 1, 5, 5)
    found = {}
    exec(to_code(network, "options"), found)
    made = found["Model"]()
    made.load_state_dict(network.state_dict())
    torch.testing.assert_close(made(x), network(x))
    code = to_code(nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.Linear(2, 1))), "nested")
    found = {}
    exec(code, found)
    assert list(found["Model"]().state_dict()) == ["0.weight", "0.bias", "1.1.weight", "1.1.bias"]


def test_the_tutorial_runs_in_both_ways(tmp_path, monkeypatch, capsys):
    """The page's own code, from its first line to its last; and it is shorter than NNI's."""
    monkeypatch.chdir(tmp_path)
    text = DOCS.read_text()
    assert len(text) < 10_000  # the tutorial that it replaces has 19,268 bytes
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    exec(compile(code, str(DOCS), "exec"), {"__name__": "tutorial"})
    out = capsys.readouterr().out
    assert "(conv2): LayerChoice([Conv2d(32, 64" in out
    exported = json.loads(re.search(r"^\{'model_1'.*\}$", out, re.MULTILINE).group().replace("'", '"'))
    assert list(exported) == ["model_1", "model_2", "model_3"]
    assert len(list((tmp_path / "runs").glob("*/experiment.db"))) == 2
