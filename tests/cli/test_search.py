"""`fastcifar search` as a user meets it."""

import json
from dataclasses import replace
from importlib import import_module

import pytest
from searches import F, name_of, search

from fastcifar.cli import run
from fastcifar.cli.search import Search
from fastcifar.data import NoDataError
from fastcifar.experiment.engines import registry
from fastcifar.experiment.objectives.registry import evaluator_of, recipes_of
from fastcifar.experiment.objectives.training import budget
from fastcifar.experiment.planning import plan_of
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.store import Store, locked
from fastcifar.train import find_recipe


@pytest.fixture(autouse=True)
def folder(search_folder):
    return search_folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "--space: a search space is needed, e.g. --space channels; `fastcifar spaces` lists them"),
        ("--space none.json", "the search space none.json cannot be read: No such file or directory"),
        (f"{F} --command ls", "--objective and --command: one of them says what a trial is, not both"),
        (f"{F} --minimize a --maximize b", "--minimize and --maximize: only one of them is possible"),
        ("--space x.json --objective MODULE:f", "--trials or --duration: one of them is needed, the space has no end"),
        (f"{F} --tuner Rndom", "tuner.name: 'Rndom' is not known; did you mean Random?"),
        (f"{F} --assessor Median", "assessor.name: 'Median' is not known; did you mean Medianstop?"),
        (f"{F} --confirm 2", "--confirm: KxN is needed, e.g. 2x3, not '2'"),
        (f"{F} --confirm axb", "--confirm: KxN is needed, e.g. 2x3, not 'axb'"),
        (f"{F} --duration soon", "--duration: a duration is more than 0 seconds"),
        (f"{F} --seed -1", "--seed: a whole number from 0 to 1,000,000,000 is needed, not -1"),
        ("--space x.json --objective MODULE:f --trials 0", "--trials: a whole number from 1 to 500,000"),
        (f"{F} --max-failures -1", "--max-failures: a whole number from 0 to 500,000 is needed, not -1"),
        (f"{F} --concurrency 0", "--concurrency: a whole number from 1 to 500,000 is needed, not 0"),
        (f"{F} --set total_epoch=1", "--set: only trainings have it, not --objective"),
        (f"{F} --dataset synthetic", "--dataset: only trainings have it, not --objective"),
        (f"{F} --epochs 2", "--epochs: only trainings have it, not --objective"),
        ("--space x.json --command ls --trials 1 --or-synthetic", "--or-synthetic: only trainings have it, not"),
        (
            "--space x.json --command ls --trials 1 --max-flops 1e6",
            "--max-flops: only trainings have it, not --command",
        ),
        ("--space x.json --objective no_module:f --trials 1", "--objective no_module:f: No module named 'no_module'"),
        ("--space x.json --objective MODULE:slwo --trials 1", "has no slwo; did you mean slow?"),
        ("--space keys.json --recipe resnet9-tiny", "a recipe has no field 'layr3'; did you mean layer3 or"),
        ("--space values.json --recipe resnet9-tiny", "values.json: layer3: a whole number at least 1 and at most"),
        ("--space idle.json --recipe resnet9-tiny", "fastcifar: idle.json: muon_lr does nothing with sgd (optimizer)"),
        ("--space channels --recipe resnet9-tiny --set muon_lr=0.3", "muon_lr: it does nothing with sgd (optimizer)"),
        (
            "--space peak.json --recipe resnet9-tiny --epochs 4",
            "peak.json: peak_epoch: a number at least 0 and at most total_epoch (4) is needed, not 9",
        ),
        ("--space x.json --recipe resnet9-tny", "there is no recipe 'resnet9-tny'; did you mean resnet9-tiny or"),
        ("--resume 2026 --seed 3", "--resume: an experiment goes on with its own settings; leave seed out"),
        ("--resume 2026 --space x.json", "--resume: an experiment goes on with its own settings; leave space out"),
    ],
)
def test_wrong_flags(folder, capsys, words, message):
    assert search(folder, words) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and len(err.splitlines()) == 1
    assert not (folder / "runs").exists()


def test_dataset_and_epochs_are_the_recipes():
    flags = {"space": "channels", "recipe": "resnet9-tiny", "device": "cpu", "set": (("flip=none",),)}
    recipe = Search(**flags, dataset="synthetic100", epochs=3)._spec().recipe
    assert (recipe["dataset"], recipe["total_epoch"], recipe["peak_epoch"]) == ("synthetic100", 3, 0.625)
    assert recipe["flip"] == "none"


def test_the_peaks_of_lr_where_the_recipe_has_other_epochs(capsys):
    """Kept as they are in the file, with the epochs that they are of; trained in those of the recipe."""
    flags = {"space": "lr", "recipe": "resnet9-tiny", "device": "cpu"}
    spec = Search(**flags, epochs=4)._spec()
    assert capsys.readouterr().err == "peak_epoch: 3 to 9 of 24 epochs becomes 0.5 to 1.5 of 4\n"
    params = {"peak_lr": 0.1, "peak_epoch": 9}
    for one in (spec, Spec.from_dict(spec.to_dict())):
        assert recipes_of(one)(params).peak_epoch == evaluator_of(one).recipe_of(params).peak_epoch == 1.5
        assert plan_of(replace(one, max_flops=1e12)).space.allowed(params)
    Search(**flags, epochs=24)._spec()
    assert capsys.readouterr().err == ""
    kept = {key: entry for key, entry in spec.space.items() if key != "_total_epoch"}  # by a version without the word
    assert recipes_of(replace(spec, space=kept))({"peak_epoch": 3}).peak_epoch == 3


def test_synthetic_images_where_there_are_none(monkeypatch, capsys):
    def load(name, *_):
        if name != "synthetic":
            raise NoDataError(name)

    monkeypatch.setattr("fastcifar.data.load", load)
    recipe = Search(space="channels", recipe="resnet9-tiny", device="cpu", or_synthetic=True)._spec().recipe
    assert recipe["dataset"] == "synthetic"
    said = "no images of cifar10 here, nor to be downloaded: SYNTHETIC IMAGES instead\n"
    assert capsys.readouterr().err.endswith(said)


@pytest.mark.parametrize("name", ["2026", "/no/such/folder", "*"])
def test_nothing_to_resume(folder, capsys, name):
    assert search(folder, f"--resume {name}") == 1
    assert capsys.readouterr().err == f"fastcifar: there is no experiment {name!r} under runs\n"


def test_a_function(folder, capsys):
    assert search(folder, f"{F} --seed 4 --confirm 2x3 --tuner Random") == 0
    out, err = capsys.readouterr()
    (runs,) = (folder / "runs").iterdir()
    lines = err.splitlines()
    assert lines[0] == f"experiment: runs/{runs.name}; Ctrl-C ends it after the running trials"
    assert [line.split()[:3] for line in lines[1:4]] == [["trial", str(n), "finished"] for n in range(3)]
    store = Store.read(runs)
    rows = store.trials()
    ranked = sorted((row.value for row in rows[:3]), reverse=True)
    best = json.loads((runs / "best.json").read_text())
    assert best == {"x": ranked[0]} and rows[0].metrics == {"loss": (rows[0].value - 0.3) ** 2, "seed": 4_000_000}
    assert [row.value for row in rows[3:]] == ranked[:2] * 3
    assert "confirmed at full budget on 3 fresh seeds; mean ± 95 % interval" in out
    best = next(line for line in out.splitlines() if line.startswith("best of 2"))
    assert best.split()[3:6] == [f"{ranked[0]:.6g}", "±", "0"]
    assert f"confirmed: the result of the best of 2 is {ranked[0]:.6g} ± 0\n" in out
    assert out.splitlines()[-1] == f"parameters: runs/{runs.name}/best.json (best of 2)"
    assert store.meta()["status"] == "done"


def test_json(folder, capsys):
    assert search(folder, f"{F} --minimize loss --confirm 1x1 --json --out other") == 0
    document = json.loads(capsys.readouterr().out)
    keys = (
        "schema id path ended seconds trials maximize metric best best_value confirmed outcome verdict pareto".split()
    )
    assert list(document) == keys
    (runs,) = (folder / "other").iterdir()
    rows = Store.read(runs).trials()
    least = min(rows[:3], key=lambda row: (row.params["x"] - 0.3) ** 2)
    assert document["best"] == least.params and least.value == (least.params["x"] - 0.3) ** 2
    assert document["confirmed"]["best"] == {
        "params": least.params,
        "result": {"n": 1, "mean": least.value, "half_interval": None},
        "test_acc": None,
        "trials": [3],
    }
    assert (document["confirmed"]["default"], document["confirmed"]["better_than_default"]) == (None, None)
    assert (document["outcome"], document["best_value"]) == ("confirmed", least.value)
    assert document["verdict"] == f"confirmed: the result of the chosen point is {least.value:.6g}"
    assert document["trials"] == {"all": 3, "finished": 3, "stopped": 0, "failed": 0}
    assert (document["id"], document["maximize"], document["metric"]) == (runs.name, False, "loss")
    assert document == Store.read(runs).meta()["summary"]


def test_a_function_that_always_fails(folder, capsys):
    search(folder, "--space x.json --objective MODULE:bad --trials 2 --confirm 1x1")
    out, err = capsys.readouterr()
    assert err.count("failed") == 2 and "RuntimeError: no luck" in err
    assert out == "no trial has a result\n" and not list(folder.glob("runs/*/best.json"))


def test_a_command_that_does_not_exist(folder, capsys):
    search(folder, "--space x.json --command ./not-there --trials 1")
    assert (
        "trial 0 failed" in (err := capsys.readouterr().err) and "exit code 127" in err and "not-there: No such" in err
    )


def test_a_command_that_never_works(folder, capsys):
    """The search ends although it has no limit."""
    words = [
        "search",
        "--space",
        "x.json",
        "--duration",
        "1h",
        "--max-failures",
        "3",
        "--command",
        "echo no luck >&2; false",
    ]
    assert run(words) == 1
    why = "3 trials have failed in a row and none has had a result (max failures: 3); the last one: "
    why += "the command ended with exit code 1 and no result: no luck"
    out, err = capsys.readouterr()
    assert out == "no trial has a result\n" and f"the search is over: {why}\n" in err
    assert run(["search", "--space", "x.json", "--command", "false", "--trials", "25"]) == 1
    assert "20 trials have failed in a row" in capsys.readouterr().err


def test_another_driver_is_at_work(folder, capsys):
    assert search(folder, F) == 0
    (runs,) = (folder / "runs").iterdir()
    capsys.readouterr()
    with locked(runs):
        assert search(folder, f"--resume {runs.name}") == 1
    assert "another process is at work on this experiment" in capsys.readouterr().err


def test_resume_of_what_is_done(folder, capsys):
    assert search(folder, f"{F} --confirm 1x2 --json") == 0
    first = json.loads(capsys.readouterr().out)
    assert search(folder, f"--resume {first['id'][:-2]} --json") == 0
    out, err = capsys.readouterr()
    assert {**json.loads(out), "seconds": 0} == {**first, "seconds": 0}
    hint = f"for more, before a resume: fastcifar experiment update {first['path']} --trials N"
    assert err.splitlines()[-1] == hint
    assert run(["experiment", "update", first["path"], "--trials", "4"]) == 0
    assert search(folder, f"--resume {first['id']}") == 0
    assert "4 trials were run" in (err := capsys.readouterr().err) and "for more" not in err


FEW_IMAGES = """
from dataclasses import dataclass
from coloured import coloured
from fastcifar.data import NoDataError
from fastcifar.experiment.objectives.training import evaluator as training

@dataclass
class FewImages:
    evaluator: training.TrainEvaluator
    def __call__(self, *arguments):
        training.load = lambda name, data_dir: coloured(5640, 200)  # 5,000 are held out
        return self.evaluator(*arguments)
"""


@pytest.fixture
def few_images(folder, monkeypatch):
    """Trials that train on some of 640 images, in the worker, which otherwise would take a minute."""
    (folder / f"few_{name_of(folder)}.py").write_text(FEW_IMAGES)
    monkeypatch.syspath_prepend(folder)
    module = import_module(f"few_{name_of(folder)}")
    monkeypatch.setattr(registry, "evaluator_of", lambda spec: module.FewImages(evaluator_of(spec)))
    monkeypatch.setattr(budget, "load_images", lambda name, data_dir: 640)


@pytest.mark.slow  # a whole search
@pytest.mark.usefixtures("few_images")
def test_training(folder, capsys):
    """Two trials on synthetic images, the better one confirmed beside the recipe's own; a recipe that trains."""
    (folder / "space.json").write_text('{"layer3": {"_type": "choice", "_value": [2, 3, 4]}}')
    fields = "dataset=synthetic total_epoch=1 batch_size=64 train_images=192 prep=2 layer1=2 layer2=2"
    words = "--space space.json --recipe resnet9-tiny --device cpu --trials 2 --confirm 1x2 --concurrency 1"
    assert search(folder, f"{words} --set {fields}") == 0
    out, err = capsys.readouterr()
    (runs,) = (folder / "runs").iterdir()
    store = Store.read(runs)
    rows = store.trials()
    assert [row.kind for row in rows] == ["search"] * 2 + ["confirm"] * 2 + ["default"] * 2
    assert [row.state for row in rows] == ["finished"] * 6, err
    assert [("test_acc" in row.metrics) for row in rows] == [False] * 2 + [True] * 4  # test is looked at once
    assert rows[2].params == rows[3].params and rows[4].params == {} and rows[2].seed == rows[4].seed
    assert "confirmation: 4 trainings at full budget of about" in err and "2 trials, 1 at a time: about" in err
    named = {line.split("  ")[0]: line for line in out.splitlines() if line}
    tests = [row.metrics["test_acc"] for row in rows[2:4]]
    chosen = named["chosen point"]
    assert f"{sum(tests) / 2:.2f} ±" in chosen and f"layer3={rows[2].params['layer3']}" in chosen
    assert "its defaults" in named["resnet9-tiny"] and "FLOPs" in out and "seconds of training" in out
    assert "canonical: false" in out and f"recipe: runs/{runs.name}/best.json" in out
    summary = store.meta()["summary"]
    gain = summary["confirmed"]["better_than_default"]["mean"]
    values = [row.value for row in rows]
    assert gain == pytest.approx((values[2] - values[4] + values[3] - values[5]) / 2)
    assert summary["confirmed"]["default"]["test_acc"]["n"] == 2
    assert summary["outcome"] == "not_shown" and summary["best_value"] == summary["confirmed"]["best"]["result"]["mean"]
    said = "the chosen point is not shown to be better than resnet9-tiny: 2 pairs finished, 3 are needed"
    assert summary["verdict"].startswith(said) and f"\n{summary['verdict']}\n" in out and "winner" not in out
    best = json.loads((runs / "best.json").read_text())
    assert best["layer3"] == rows[2].params["layer3"] and best["train_images"] == 192
    assert find_recipe(f"runs/{runs.name}/best.json")[1].to_dict() == best  # `fastcifar train` takes it
