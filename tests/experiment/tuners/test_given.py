"""Tuners and assessors as `optimize` and `fastcifar search` take them: names, classes, objects."""

import json
import sys

import pytest
from experiments import rows_of, spec_of

from fastcifar.cli import run
from fastcifar.errors import Notice
from fastcifar.experiment.tuners.given import recorded
from fastcifar.rules import ConfigError
from fastcifar.search import ASHA, TPE, Hyperband, Random, optimize

SPACE = {"x": {"_type": "randint", "_value": [0, 100]}}
MINE = """
print("imported")

class Mine:
    def __init__(self, step=1):
        self.step = step

    def suggest(self, space, history, rng):
        return {"x": self.step * len(history)}

    def best(self, history):
        return {"x": 0}

class Never:
    def __init__(self, after=1):
        self.after = after

    def assess(self, history, trial):
        return len(history.loss_curve(trial)) < self.after

class Half:
    def suggest(self, space, history, rng): ...

def identity(params):
    return params["x"]
"""


class Counting:
    """A searcher without a name: 0, step, 2 * step, ..."""

    def __init__(self, step):
        self.step = step

    def suggest(self, space, history, rng):
        return {"x": self.step * len(history)}

    def best(self, history):
        return {"x": 0}


class Described(Counting):
    def __repr__(self):
        return f"Described({self.step})"


class Stops:
    def assess(self, history, trial):
        return False


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with a module of its own name and a file in a folder; its module's name."""
    name = f"mine_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MINE)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "my-file.py").write_text(MINE)
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "space.json").write_text(json.dumps(SPACE))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [entry for entry in sys.path if entry])
    return name


def points(document):
    return [row.params["x"] for row in rows_of(document["path"])]


def identity(params):
    return params["x"]


def reporting(params, report):
    for step in range(3):
        report(step)
    return 3


@pytest.mark.parametrize("form", ["{name}:Mine", "in/my-file.py:Mine"])
def test_a_class_by_its_place(place, tmp_path, form, capsys):
    named = form.format(name=place)
    document = optimize(identity, SPACE, trials=3, tuner=named)
    assert points(document) == [0, 1, 2]
    spec = spec_of(document["path"])
    assert spec["tuner"] == {"class_name": named, "code_directory": str(tmp_path)}
    document = optimize(identity, SPACE, trials=3, tuner={"class_name": named, "class_args": {"step": 5}})
    assert points(document) == [0, 5, 10]
    assert capsys.readouterr().out == ""  # what the module prints is no result
    again = optimize(identity, resume=document["path"], trials=4)
    assert points(again) == [0, 5, 10, 15]


def test_an_assessor_by_its_place(place):
    named = {"class_name": f"{place}:Never", "class_args": {"after": 2}}
    document = optimize(reporting, SPACE, trials=2, tuner="Random", assessor=named)
    assert document["trials"]["stopped"] == 2


def test_arguments_of_ours():
    assert recorded({"name": "TPE", "class_args": {"startup": 3}}, "tuner") == {
        "name": "TPE",
        "class_args": {"startup": 3},
    }
    assert recorded("Random", "tuner") == {"name": "Random"}


@pytest.mark.parametrize(
    ("tuner", "message"),
    [
        ("no_such_module_here:Mine", "tuner.class_name: no_such_module_here: No module named 'no_such_module_here'"),
        ("{name}:Min", "tuner.class_name: {name} has no class Min; did you mean Mine?"),
        ("{name}:identity", "tuner.class_name: {name} has no class identity"),
        ("in/my-file.py:Yours", "my-file.py has no class Yours"),
        ("in/none.py:Mine", "file.py:Class with a file in {here} is needed, not 'in/none.py:Mine'"),
        (":Mine", "tuner.class_name: module:Class, or file.py:Class with a file in {here} is needed, not ':Mine'"),
        ("{name}:", "tuner.class_name: module:Class, or file.py:Class with a file in {here} is needed, not '{name}:'"),
        ("broken:Mine", "tuner.class_name: broken fails: ZeroDivisionError: division by zero"),
        ("{name}:Half", "tuner.class_name: {name}:Half has no method best(history)"),
        ({"class_name": "{name}:Mine", "class_args": {"stop": 1}}, "tuner.class_args: {name}:Mine fails: TypeError: "),
        ({"name": "TPE", "class_args": {"seed": 1}}, "tuner.class_args: seed is a setting of the search"),
        ({"nam": "TPE"}, "tuner.nam: the key is not known; did you mean name"),
        ({"name": "TPE", "instance": True}, "tuner.instance: the key is not known"),
        (Random, "tuner: an object is needed, not its class: Random(...)"),
        (
            3,
            "tuner: a name, module:Class or an object with suggest(space, history, rng) and best(history) is needed; 3",
        ),
        (Stops(), "has no method suggest(space, history, rng)"),
    ],
)
def test_tuners_refused(place, tmp_path, tuner, message):
    def filled(value):
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        return value.format(name=place, here=tmp_path) if isinstance(value, str) else value

    with pytest.raises(ConfigError) as caught:
        optimize(identity, SPACE, trials=1, tuner=filled(tuner))
    assert filled(message) in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_assessors_refused(place):
    with pytest.raises(ConfigError, match=r"assessor\.class_name: .*:Mine has no method assess\(history, trial\)"):
        optimize(identity, SPACE, trials=1, assessor=f"{place}:Mine")
    with pytest.raises(ConfigError, match=r"assessor: a name, module:Class or an object with assess\(history, trial\)"):
        optimize(identity, SPACE, trials=1, assessor=Random())


def test_an_object_is_used_and_described(tmp_path):
    document = optimize(identity, SPACE, trials=3, tuner=Described(7), assessor=ASHA(eta=4), out=tmp_path)
    assert points(document) == [0, 7, 14]
    spec = spec_of(document["path"])
    assert spec["tuner"] == {"name": "Described(7)", "instance": True}
    assert spec["assessor"] == {"name": "ASHA(first=1, eta=4)", "instance": True}
    assert optimize(reporting, SPACE, trials=1, assessor=Stops(), out=tmp_path)["trials"]["stopped"] == 1
    name = recorded(Counting(1), "tuner")["name"]
    assert name.endswith("Counting object>") and " at 0x" not in name


def test_hyperband_as_an_object_gives_its_budget(tmp_path):
    """With a searcher of its own, which no name can say."""

    def budget(params):
        return params["TRIAL_BUDGET"]

    document = optimize(budget, SPACE, trials=4, tuner=Hyperband(high=3, searcher=TPE(startup=2)), out=tmp_path)
    assert document["trials"]["finished"] == 4 and document["best_value"] == 3
    again = optimize(budget, resume=document["path"], trials=5, tuner=Hyperband(high=3, searcher=TPE(startup=2)))
    assert again["trials"]["finished"] == 5


def test_an_object_is_given_again_to_go_on(tmp_path, capsys):
    begun = optimize(identity, SPACE, trials=2, tuner=Described(7), out=tmp_path)
    again = optimize(identity, resume=begun["id"], trials=3, tuner=Described(7), out=tmp_path)
    assert points(again) == [0, 7, 14]
    with pytest.warns(Notice, match=r"begun with Described\(7\), and goes on with Described\(8\)"):
        optimize(identity, resume=begun["id"], trials=4, tuner=Described(8), out=tmp_path)
    needed = "tuner: the search was begun with an object of a program, Described(7), which cannot be found by a name: "
    needed += "optimize(..., resume=ID, tuner=the object) goes on with it"
    with pytest.raises(ConfigError) as caught:
        optimize(identity, resume=begun["id"], trials=5, out=tmp_path)
    assert str(caught.value) == needed
    capsys.readouterr()
    assert run(["experiment", "update", begun["path"], "--trials", "6"]) == 0
    assert run(["experiment", "show", begun["path"]]) == 0
    assert "Described(7)" in capsys.readouterr().out
    assert run(["search", "--resume", begun["path"]]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if "tuner" in line]
    assert said == [f"fastcifar: {needed}"]


def test_an_object_goes_on_with_no_search_of_a_name(tmp_path):
    begun = optimize(identity, SPACE, trials=1, tuner="Random", out=tmp_path)
    with pytest.raises(ConfigError, match="tuner: the search was begun with Random; leave it out"):
        optimize(identity, resume=begun["id"], trials=2, tuner=Random(), out=tmp_path)
    with pytest.raises(ConfigError, match="assessor: the search was begun with no assessor; leave it out"):
        optimize(identity, resume=begun["id"], trials=2, assessor=Stops(), out=tmp_path)


def test_the_command_line_takes_classes_and_arguments(place, capsys):
    words = f"search --space space.json --objective {place}:identity --trials 3 --json"
    assert run([*words.split(), "--tuner", f"{place}:Mine", "--tuner-args", "step=4"]) == 0
    assert points(json.loads(capsys.readouterr().out)) == [0, 4, 8]
    assert run([*words.split(), "--tuner", "in/my-file.py:Mine"]) == 0
    assert points(json.loads(capsys.readouterr().out)) == [0, 1, 2]
    assert run([*words.split(), "--tuner", "TPE", "--tuner-args", "startup=0"]) == 2
    assert "tuner.class_args.startup: a whole number at least 1" in capsys.readouterr().err
    assert run([*words.split(), "--tuner", "TPE", "--tuner-args", "seed=1"]) == 2
    assert "--tuner-args: seed is a setting of the search, not of the tuner" in capsys.readouterr().err
    assert run([*words.split(), "--assessor-args", "eta=4"]) == 2
    assert "--assessor-args: they go with --assessor" in capsys.readouterr().err
    assert run([*words.split(), "--tuner", f"{place}:Mind"]) == 2
    assert f"tuner.class_name: {place} has no class Mind; did you mean Mine?" in capsys.readouterr().err
