"""What a search's summary, its list, its top and best.json say of a confirmation whose results are made up."""

import json
import re
from pathlib import Path

import pytest
from experiments import output
from scripted import Scripted

from fastcifar.cli.found import best_text, where_text
from fastcifar.experiment.loop import Driver
from fastcifar.experiment.planning import plan_of
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.store import Store
from fastcifar.experiment.summary import confirmed, summary
from fastcifar.train import named_recipe

SPACE = {"layer3": {"_type": "choice", "_value": [16, 32, 48]}}
RECIPE = named_recipe("resnet9-tiny").to_dict()
LUCKY = {16: 90.0, 32: 95.0, 48: 70.0}  # of single, short trials
NOISE = {0: -0.5, 1: 0.0, 2: 0.5}


@pytest.fixture
def searched(tmp_path, monkeypatch):
    """Makes an experiment under runs/ whose trainings give what is said; the default has 80.0 on each seed."""
    monkeypatch.chdir(tmp_path)

    def make(means, **changes):
        def script(trial):
            yield from ()
            if not trial.confirm:
                return {"default": LUCKY[trial.params["layer3"]], "canonical": True}
            place = 999_999 - trial.seed
            mean = means[trial.params["layer3"]] + NOISE[place] if trial.params else 80.0
            return {"default": mean, "test_acc": mean - 1}

        folder = tmp_path / "runs" / "one"
        folder.mkdir(parents=True)
        asked = {"space": SPACE, "tuner": {"name": "Random"}, "trials": 3, "confirm": (2, 3)}
        spec = Spec(**asked | {"recipe": RECIPE, "recipe_name": "resnet9-tiny"} | changes)
        store = Store.create(folder, {"spec": spec.to_dict()})
        driver = Driver(store, plan_of(spec), Scripted(script), lambda driver: None)
        driver.search()
        document = summary(spec, driver, confirmed(spec, driver))
        store.set({"status": "done"})
        store.close()
        return spec, document

    return make


def listed(capsys):
    (one,) = json.loads(output(capsys, "list", "--json"))
    return one


def best_json(tmp_path):
    return json.loads((tmp_path / "runs" / "one" / "best.json").read_text())


def test_better(searched, tmp_path, capsys):
    """32 was lucky in the search; confirmed, 16 is the best, 4 points above the default."""
    spec, document = searched({16: 84.0, 32: 70.0})
    assert document["outcome"] == "better" and document["best"] == {"layer3": 16} and document["best_value"] == 84.0
    assert best_json(tmp_path)["layer3"] == 16
    said = "the best of 2 is better than resnet9-tiny: +4.00 ± 1.60 points on test (3 pairs by seed, 95 % "
    said += "interval); +4.00 ± 1.60 on the holdout, by which it was chosen"  # 1.2421 times 1.2847
    assert document["verdict"] == said
    text = best_text(spec.to_dict(), document).splitlines()
    assert [line.split("  ")[0] for line in text[2:5]] == ["best of 2", "", "resnet9-tiny"]
    assert text[5] == document["verdict"]

    one = listed(capsys)
    assert (one["best"], one["half_interval"], one["confirmed"]) == (84.0, pytest.approx(1.2421, abs=1e-4), True)
    assert one["outcome"] == "better"
    assert "84.00 ± 1.24 %" in (line := output(capsys, "list").splitlines()[1]) and "better" in line
    shown = output(capsys, "show")
    assert document["verdict"] in shown and "best.json (best of 2)" in shown
    assert shown in output(capsys, "view")


def test_top_has_the_confirmed_first(searched, capsys):
    searched({16: 84.0, 32: 70.0})
    top = json.loads(output(capsys, "top", "--json"))
    assert [(one["kind"], one["value"], one["params"]) for one in top] == [
        ("confirm", 84.0, {"layer3": 16}),
        ("default", 80.0, {}),
        ("confirm", 70.0, {"layer3": 32}),
        ("search", 95.0, {"layer3": 32}),
        ("search", 90.0, {"layer3": 16}),
        ("search", 70.0, {"layer3": 48}),
    ]
    assert [one["n"] for one in top] == [3, 3, 3, 1, 1, 1] and len(top[0]["trials"]) == 3
    lines = output(capsys, "top", "-n", "2").splitlines()
    assert len(lines) == 3 and "84.00 ± 1.24 %" in lines[1] and "its defaults" in lines[2]
    assert json.loads(output(capsys, "show", "--json"))["best"] == top[0]


def test_not_shown(searched, tmp_path, capsys):
    spec, document = searched({16: 80.5, 32: 79.0})
    assert document["outcome"] == "not_shown" and document["best"] == {"layer3": 16}
    assert best_json(tmp_path)["layer3"] == 16
    assert "the best of 2 is not shown to be better than resnet9-tiny: +0.50 ± 1.60 points" in document["verdict"]
    assert "winner" not in best_text(spec.to_dict(), document)
    assert "not shown to be better" in output(capsys, "list")


def test_what_is_not_shown_stands_first_even_below_the_default(searched, capsys):
    searched({16: 79.5, 32: 79.0})
    top = json.loads(output(capsys, "top", "--json"))
    assert [one["value"] for one in top][:3] == [79.5, 80.0, 79.0] and listed(capsys)["best"] == 79.5


def test_worse(searched, tmp_path, capsys):
    """Every finalist is worse than the default: best.json has the default, and all say so."""
    spec, document = searched({16: 76.0, 32: 70.0})
    assert document["outcome"] == "worse" and document["best"] == {} and document["best_value"] == 80.0
    assert best_json(tmp_path) == RECIPE
    assert where_text(spec.to_dict(), document, "best.json") == (
        "recipe: best.json (resnet9-tiny as it is: the search has found nothing better)"
    )
    assert listed(capsys)["best"] == 80.0 and "worse" in output(capsys, "list")
    top = json.loads(output(capsys, "top", "--json"))
    assert [(one["kind"], one["value"]) for one in top][:3] == [("default", 80.0), ("confirm", 76.0), ("confirm", 70.0)]
    shown = output(capsys, "show")
    assert "worse than resnet9-tiny: -4.00 ± 1.60" in shown and "(resnet9-tiny as it is" in shown


def test_the_document_is_described(searched):
    """Each key of the summary and of a confirmation is in the table of docs/experiments.md."""
    _, document = searched({16: 84.0, 32: 70.0})
    text = (Path(__file__).parents[2] / "docs" / "experiments.md").read_text()
    table = text.partition("| `id`, `path` |")[2].partition("\n\n")[0] + "`id` `path`"
    named = set(re.findall(r"`(\w+)`", table))
    assert {*document, *document["confirmed"], *document["confirmed"]["best"]} - {"schema"} <= named


def test_less_is_better(searched, tmp_path):
    _, document = searched({48: 76.0, 16: 77.0}, maximize=False, metric="default")
    assert document["outcome"] == "better" and best_json(tmp_path)["layer3"] == 48


def test_without_a_confirmation_a_result_is_that_of_one_trial(searched, capsys):
    spec, document = searched({}, confirm=(0, 0))
    assert (document["outcome"], document["confirmed"]) == ("not_confirmed", None)
    one = listed(capsys)
    assert (one["best"], one["confirmed"], one["outcome"]) == (95.0, False, "not_confirmed")
    assert "95.00 % (one trial)" in output(capsys, "list")
    assert "not confirmed, the searcher's choice" in output(capsys, "show")
    assert "highest accuracy on the holdout, seed 0" in output(capsys, "show")
    assert where_text(spec.to_dict(), document, "best.json") == "recipe: best.json"


def test_a_summary_from_before_verdicts(searched, tmp_path, capsys):
    """It is judged as it is read; best.json, which that version wrote, has the worse point."""
    _, document = searched({16: 76.0, 32: 70.0})
    old = {key: value for key, value in document.items() if key not in ("outcome", "verdict")}
    del old["confirmed"]["better_on_test"], old["confirmed"]["allows_for_choice"]
    old["confirmed"]["better_than_default"]["half_interval"] = 1.2421
    store = Store.open(tmp_path / "runs" / "one")
    store.set({"summary": old | {"best": {"layer3": 16}, "best_value": 90.0}})
    store.close()
    one = listed(capsys)
    assert (one["best"], one["outcome"]) == (76.0, "worse")
    shown = output(capsys, "show")
    assert "the best of 2 is worse than resnet9-tiny: -4.00 ± 1.60 points" in shown
    assert "best.json (best of 2)" in shown
    assert json.loads(output(capsys, "top", "--json"))[0]["value"] == 76.0


def test_a_running_one_has_no_verdict_yet(searched, tmp_path, capsys):
    """The summary is of an earlier session."""
    searched({16: 84.0, 32: 70.0})
    store = Store.open(tmp_path / "runs" / "one")
    store.set({"status": "interrupted"})
    store.close()
    assert listed(capsys)["outcome"] is None and listed(capsys)["best"] == 95.0
    assert "best so far: 95.00 % (one trial, " in output(capsys, "show")
    assert json.loads(output(capsys, "top", "--json"))[0]["kind"] == "search"
