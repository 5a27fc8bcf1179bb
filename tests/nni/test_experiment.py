"""NNI's Python interface and `optimize`: the tutorials' programs, with a small stand-in for their model."""

import json
import subprocess
import sys
import textwrap

import pytest

from fastcifar.experiment.store.store import Store
from fastcifar.nni.config import ConfigError
from fastcifar.search import Experiment, HyperoptTuner, optimize

SPACE = {
    "features": {"_type": "choice", "_value": [128, 256, 512, 1024]},
    "lr": {"_type": "loguniform", "_value": [0.0001, 0.1]},
    "momentum": {"_type": "uniform", "_value": [0, 1]},
}
MODEL = """
import nni
params = {"features": 512, "lr": 0.001, "momentum": 0}
params.update(nni.get_next_parameter())
for epoch in range(2):
    nni.report_intermediate_result(0.1 * epoch)
nni.report_final_result({"default": params["momentum"], "id": nni.get_sequence_id()})
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.py").write_text(MODEL)
    return tmp_path


def configured(experiment, folder, trials=3):
    experiment.config.search_space = SPACE
    experiment.config.trial_command = f"{sys.executable} model.py"
    experiment.config.trial_code_directory = folder
    experiment.config.trial_concurrency = 2
    experiment.config.max_trial_number = trials
    return experiment


def test_the_quickstart(folder, capsys):
    experiment = Experiment("local", out=folder / "runs")
    assert experiment.get_status() == "INITIALIZED"
    configured(experiment, folder)
    experiment.config.tuner.name = "TPE"
    experiment.config.tuner.class_args["optimize_mode"] = "maximize"
    assert experiment.run(8080)
    assert str(experiment.folder) in capsys.readouterr().err
    assert experiment.get_status() == "DONE"
    jobs = experiment.list_trial_jobs()
    assert [job["status"] for job in jobs] == ["SUCCEEDED"] * 3
    assert all(job["finalMetricData"] == job["hyperParameters"]["momentum"] for job in jobs)
    assert experiment.get_job_statistics() == [{"trialJobStatus": "SUCCEEDED", "trialJobNumber": 3}]
    name = f"{experiment.id}-1"
    metrics = experiment.get_job_metrics(name)
    assert list(metrics) == [name]
    assert [(m["type"], m["data"]) for m in metrics[name][:2]] == [("PERIODICAL", 0.0), ("PERIODICAL", 0.1)]
    assert experiment.get_trial_job(name) == jobs[1]
    assert [one["parameter"] for one in experiment.export_data()] == [job["hyperParameters"] for job in jobs]
    best = json.loads((experiment.folder / "best.json").read_text())
    assert best["momentum"] == max(job["finalMetricData"] for job in jobs)
    experiment.stop()
    seen = Experiment.view(experiment.id, out=folder / "runs")
    assert seen.list_trial_jobs() == jobs


def test_launching_with_a_tuner_object(folder):
    experiment = Experiment(HyperoptTuner("tpe"), "local", out=folder / "runs")
    configured(experiment, folder, trials=2)
    experiment.config.experiment_name = "a test"
    experiment.config.training_service.use_active_gpu = True
    experiment.start(8081)
    assert len(experiment.list_trial_jobs()) <= 2  # from the first moment on
    assert experiment.get_status() == "RUNNING"
    with pytest.raises(ConfigError, match="runs already"):
        experiment.start()
    from_outside, seen = Experiment.view(experiment.id, out=folder / "runs"), set()
    while experiment.get_status() == "RUNNING":
        seen.add(from_outside.get_status())
    assert "RUNNING" in seen and from_outside.get_status() == "DONE"
    experiment.wait()
    assert experiment.get_status() == "DONE" and "a-test" in experiment.id
    # HyperoptTuner minimises, as in NNI.
    best = json.loads((experiment.folder / "best.json").read_text())
    assert best["momentum"] == min(one["value"] for one in experiment.export_data())


def test_stopped_and_resumed(folder):
    (folder / "model.py").write_text("import time; time.sleep(0.2)" + MODEL)
    experiment = configured(Experiment("local", out=folder / "runs"), folder, trials=4)
    experiment.config.tuner.name = "Random"
    experiment.config.trial_concurrency = 1
    experiment.start()
    experiment.stop()
    assert experiment.get_status() == "STOPPED"
    assert len(experiment.list_trial_jobs()) < 4
    again = Experiment.resume(experiment.id, out=folder / "runs")
    assert again.get_status() == "DONE"
    assert [job["status"] for job in again.list_trial_jobs()] == ["SUCCEEDED"] * 4


def test_from_yaml(folder):
    text = f"""
    experimentName: yaml
    searchSpace:
      momentum: {{_type: uniform, _value: [0, 1]}}
    trial_command: {sys.executable} model.py
    trial_concurrency: 2
    max_trial_number: 3
    tuner:
      name: Random
      class_args: {{optimize_mode: minimize, seed: 5}}
    training_service:
      platform: local
    """
    (folder / "config.yaml").write_text(textwrap.dedent(text))
    experiment = Experiment.from_yaml(folder / "config.yaml", out=folder / "runs")
    assert experiment.run()
    store = Store.read(experiment.folder)
    spec = store.meta()["spec"]
    store.close()
    assert (spec["maximize"], spec["seed"], spec["code_directory"]) == (False, 5, str(folder))


def test_what_cannot_be_run_is_said_before_anything_is(folder):
    experiment = Experiment("local", out=folder / "runs")
    with pytest.raises(ConfigError, match="has not begun"):
        experiment.list_trial_jobs()
    with pytest.raises(ConfigError, match="trial_command"):
        experiment.run()
    with pytest.raises(ConfigError, match="remote"):
        Experiment("remote")
    assert not (folder / "runs").exists()


def square(params, seed):
    return (params["x"] - 0.3) ** 2 + 0 * seed


def test_optimize(tmp_path):
    space = {"x": {"_type": "uniform", "_value": [0, 1]}}
    found = optimize(square, space, trials=25, maximize=False, confirm=(1, 2), out=tmp_path)
    assert abs(found["best"]["x"] - 0.3) < 0.02
    assert found["confirmed"]["best"]["result"]["n"] == 2
    by_closure = optimize(lambda params: -abs(params["x"] - 0.5), space, trials=5, tuner="Random", out=tmp_path)
    assert by_closure["trials"] == {"all": 5, "finished": 5, "stopped": 0, "failed": 0}


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("no_such_module:f", "no_such_module"),
        ("json:nope", "json has no nope"),
        ("json", "module:function"),
        (None, "None"),
    ],
)
def test_optimize_says_what_it_cannot_call(function, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        optimize(function, {"x": {"_type": "uniform", "_value": [0, 1]}}, trials=2, out=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "value"), [("trials", 0), ("concurrency", 0), ("seed", -1)])
def test_optimize_says_which_number_cannot_be(name, value, tmp_path):
    with pytest.raises(ConfigError, match=f"{name}: a whole number at least"):
        optimize(len, {"x": {"_type": "uniform", "_value": [0, 1]}}, out=tmp_path, **{"trials": 2, name: value})
    assert not list(tmp_path.iterdir())


def test_the_working_directory_is_that_of_the_configuration(folder):
    experiment = configured(Experiment("local", out=folder / "runs"), folder, trials=1)
    experiment.config.tuner.name = "Random"
    experiment.config.experiment_working_directory = folder / "elsewhere"
    assert experiment.run() and experiment.folder.parent == folder / "elsewhere"


def test_optimize_with_a_metric_and_an_assessor(tmp_path, capsys):
    def curve(params, report):
        for step in range(4):
            report(params["x"] + step)
        return {"loss": params["x"]}

    space = {"x": {"_type": "quniform", "_value": [0, 1, 0.1]}}
    options = {"maximize": False, "metric": "loss", "tuner": "Random", "assessor": "Medianstop", "out": tmp_path}
    found = optimize(curve, space, trials=8, **options)
    assert found["trials"]["stopped"] > 0 and found["best_value"] == found["best"]["x"]
    assert optimize(lambda params: params["y"], space, trials=2, out=tmp_path)["best"] is None
    assert "no trial has a result; the first failed: KeyError: 'y'" in capsys.readouterr().err


def test_hyperband_tells_a_function_its_budget(tmp_path):
    """More budget, better results: the best is of the largest, and is confirmed on it."""

    def f(params):
        return {"default": params["x"] - 1 / params["TRIAL_BUDGET"], "budget": params["TRIAL_BUDGET"]}

    space = {"x": {"_type": "uniform", "_value": [0, 1]}}
    found = optimize(f, space, trials=60, tuner="Hyperband", confirm=(1, 1), out=tmp_path)
    (folder,) = tmp_path.iterdir()
    *rows, last = Store.read(folder).trials()
    budgets = [row.metrics["budget"] for row in rows]
    assert sorted(set(budgets)) == [2, 6, 20, 60] and list(found["best"]) == ["x"]
    assert found["best_value"] == max(row.value for row in rows if row.metrics["budget"] == 60)
    assert last.kind == "confirm" and last.params == {**found["best"], "TRIAL_BUDGET": 60}


def test_optimize_lets_ctrl_c_through(tmp_path):
    program = f"""
    import os, signal, threading, time
    from fastcifar.search import optimize
    threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    space = {{"x": {{"_type": "uniform", "_value": [0, 1]}}}}
    optimize(lambda params: time.sleep(0.3) or 1.0, space, trials=1000, out={str(tmp_path)!r})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "KeyboardInterrupt" in done.stderr
    (folder,) = tmp_path.iterdir()
    store = Store.read(folder)
    assert {row.state for row in store.trials()} == {"finished"}
    store.close()
