"""`fastcifar recipes`, `fastcifar spaces`, `fastcifar graph`, `fastcifar --version`: what comes with the package."""

import json
import runpy
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

import fastcifar
from fastcifar.cli import run
from fastcifar.search import Space, SpaceError
from fastcifar.search.spaces.named import find_space, space_names
from fastcifar.train import Recipe, RecipeError, named_recipe, recipe_names
from fastcifar.train.recipe.fields import recipe_fields
from fastcifar.train.recipe.named import measured

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(capsys, *words):
    assert run(list(words)) == 0
    return capsys.readouterr().out


def test_version(capsys):
    assert printed(capsys, "--version") == f"fastcifar {fastcifar.__version__}\n"


def test_recipes_say_what_they_reached(capsys):
    head, *lines = printed(capsys, "recipes").splitlines()
    assert head.split() == "recipe data epochs MFLOPs parameters test % seconds measured on".split()
    assert [line.split()[0] for line in lines] == recipe_names()
    cells = {line.split()[0]: line.split() for line in lines}
    assert cells["resnet9-tiny"][1:7] == ["cifar10", "10", "37", "257,752", "84.25", "159"]
    assert cells["speedrun94"][1:] == ["cifar10", "7", "236", "1,972,792", "-", "-", "-"]


def test_recipes_as_json(capsys):
    rows = {row["name"]: row for row in json.loads(printed(capsys, "recipes", "--json"))}
    assert list(rows) == recipe_names()
    tiny = rows["resnet9-tiny"]
    assert (tiny["dataset"], tiny["epochs"], tiny["flops"], tiny["parameters"]) == ("cifar10", 10, 37_013_376, 257_752)
    assert tiny["measured"]["accuracy"] == 84.25 and rows["speedrun95"]["measured"] is None
    assert json.loads(printed(capsys, "recipes", "resnet9-tiny", "--json")) == named_recipe("resnet9-tiny").to_dict()


def test_what_was_measured_is_in_its_source():
    for name, found in measured().items():
        assert name in recipe_names()
        text = (ROOT / found["source"]).read_text(encoding="utf-8")
        assert f"{found['accuracy']:.2f}" in text or f"{found['accuracy'] / 100:.4f}" in text


def test_fields_of_a_recipe(capsys):
    rows = {row["name"]: row for row in json.loads(printed(capsys, "recipes", "--fields", "--json"))}
    assert list(rows) == [field.name for field in fields(Recipe)]
    assert rows["total_epoch"] == {
        "name": "total_epoch",
        "meaning": "Passes over the training images.",
        "default": 24,
        "rule": "a whole number at least 1",
    }
    assert rows["peak_epoch"]["rule"] == "a number at least 0 and at most total_epoch"
    assert rows["whiten"]["rule"] == "0, 2 or 3" and rows["lr_scale"]["default"] == {}
    text = printed(capsys, "recipes", "--fields")
    assert 'flip = "random"  (none, random or alternating)\n    none, random, or alternating (each' in text
    assert run(["recipes", "resnet9", "--fields"]) == 2


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("total_epoch", 0), ("train_images", "x"), ("flip", "up"), ("whiten", 1), ("ks", 4), ("leave_out", [1])],
)
def test_the_rule_that_is_shown_is_the_rule_that_is_checked(name, wrong):
    (field,) = (field for field in recipe_fields() if field.name == name)
    Recipe.from_dict({name: field.default})
    with pytest.raises(RecipeError, match=name):
        Recipe.from_dict({name: wrong})
    for allowed in field.rule.split(", ") if name == "flip" else ():
        Recipe.from_dict({name: allowed.split(" or ")[0]})


def test_spaces(capsys):
    head, *lines = printed(capsys, "spaces").splitlines()
    assert head.split() == ["space", "parameters", "points", "of"]
    assert [line.split()[0] for line in lines] == space_names() == sorted(p.stem for p in ROOT.glob("search_spaces/*"))
    rows = {row["name"]: row for row in json.loads(printed(capsys, "spaces", "--json"))}
    assert rows["channels"] == {"name": "channels", "points": 256, "parameters": ["prep", "layer1", "layer2", "layer3"]}
    assert rows["lr"]["points"] is None and "no end" in next(line for line in lines if line.startswith("lr "))
    text = (ROOT / "search_spaces" / "lr.json").read_text(encoding="utf-8")
    assert json.loads(printed(capsys, "spaces", "lr")) == json.loads(text)
    assert run(["spaces", "lrr"]) == 2
    assert capsys.readouterr().err == "fastcifar: there is no search space 'lrr'; did you mean lr?\n"


def test_a_space_by_name_or_path(folder):
    assert find_space("channels") == ("channels", json.loads((ROOT / "search_spaces/channels.json").read_text()))
    own = {"prep": {"_type": "choice", "_value": [2, 4]}}
    (folder / "lr").write_text(json.dumps(own))
    (folder / "own.json").write_text(json.dumps(own))
    assert find_space("own.json") == ("own", own) and find_space("./lr") == ("lr", own)
    assert find_space("lr")[1] != own  # the name comes first
    with pytest.raises(SpaceError, match=r"the search space none\.json cannot be read"):
        find_space("none.json")
    for name in space_names():
        Space.from_dict(find_space(name)[1])


def test_an_experiment_takes_the_name_of_a_space(capsys):
    assert run(["experiment", "update", "an-id", "--space", "lrr"]) == 2
    assert capsys.readouterr().err == "fastcifar: there is no search space 'lrr'; did you mean lr?\n"
    assert run(["supernet", "train", "--space", "supernett"]) == 2
    assert capsys.readouterr().err == "fastcifar: there is no search space 'supernett'; did you mean supernet?\n"


def test_graph_as_json(capsys):
    shown = json.loads(printed(capsys, "graph", "resnet9-tiny", "--json"))
    assert (shown["recipe"], shown["parameters"], shown["flops"]) == ("resnet9-tiny", 257_752, 37_013_376)
    assert shown["nodes"][0]["path"] == "input" and shown["nodes"][0]["shape"] == [1, 3, 32, 32]
    assert sum(node["flops"] for node in shown["nodes"]) == shown["flops"]


def test_graph_says_what_it_wrote_and_overwrites_nothing(capsys, folder):
    assert run(["graph", "resnet9-tiny", "-o", "net.dot"]) == 0
    assert capsys.readouterr() == ("", "drawing: net.dot\n")
    (folder / "net.dot").write_text("mine")
    assert run(["graph", "resnet9-tiny", "-o", "net.dot"]) == 2
    assert capsys.readouterr().err == "fastcifar: --output: net.dot exists already; --force overwrites it\n"
    assert (folder / "net.dot").read_text() == "mine"
    assert run(["graph", "resnet9-tiny", "-o", "net.dot", "--force"]) == 0
    assert (folder / "net.dot").read_text().startswith("digraph")


def test_graph_knows_its_endings_before_anything_else(capsys):
    assert run(["graph", "no-such-recipe", "-o", "x.xlsx"]) == 2
    assert capsys.readouterr().err == "fastcifar: x.xlsx: a drawing is saved as .dot, .svg, .png, .pdf, not '.xlsx'\n"
    assert run(["graph", "--sizes"]) == 2
    assert capsys.readouterr().err == "fastcifar: --sizes: only a drawing has it; --output names one\n"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["train"], "[RECIPE]"),
        (["compare"], "[A] [B]"),
        (["recipes"], "[RECIPE]"),
        (["spaces"], "[SPACE]"),
        (["graph"], "[RECIPE]"),
        (["experiment", "show"], "[ID]"),
        (["experiment", "kill"], "[-h] ID"),
    ],
)
def test_help_shows_what_is_optional(words, shown, capsys):
    with pytest.raises(SystemExit) as stopped:
        run([*words, "--help"])
    usage = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("usage:"))
    assert stopped.value.code == 0 and f" {shown} " in f"{usage} "


def test_the_build_puts_the_spaces_into_the_package(monkeypatch):
    setuptools = pytest.importorskip("setuptools")
    asked = {}
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(setuptools, "setup", lambda **settings: asked.update(settings))
    runpy.run_path(str(ROOT / "setup.py"))
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    folder = asked["package_dir"]["fastcifar.search_spaces"]
    found = [path.stem for pattern in data["fastcifar.search_spaces"] for path in (ROOT / folder).glob(pattern)]
    assert sorted(found) == space_names() and "fastcifar.search_spaces" in asked["packages"]
    code = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "fastcifar").rglob("*.py")}
    assert code <= set(asked["packages"])
