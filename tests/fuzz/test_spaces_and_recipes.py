"""Spaces, recipes and configurations with odd values: each is taken, and then works, or is refused in one line."""

import json
import math
import random

import pytest
import yaml
from fuzzing import changed, spoilt

from fastcifar.nni.config import load_config
from fastcifar.search import GP, TPE, Evolution, History, Random, Space, SpaceExhausted, trial_rng
from fastcifar.train import Recipe, named_recipe
from fastcifar.train.recipe.named import find_recipe

SPACE = {
    "lr": {"_type": "loguniform", "_value": [0.001, 1]},
    "w": {"_type": "quniform", "_value": [8, 64, 8]},
    "n": {"_type": "randint", "_value": [1, 9]},
    "g": {"_type": "qlognormal", "_value": [0, 1, 0.1]},
    "c": {"_type": "choice", "_value": [1, 2.5, "a", None, [1, 2], {"k": 3}]},
    "net": {
        "_type": "choice",
        "_value": [{"_name": "a", "z": {"_type": "normal", "_value": [0, 1]}}, {"_name": "b"}],
    },
}
CONFIG = {
    "experiment_name": "one",
    "search_space": {"x": {"_type": "uniform", "_value": [0, 1]}},
    "trial_command": "true",
    "trial_code_directory": ".",
    "trial_concurrency": 2,
    "trial_gpu_number": 0,
    "max_trial_number": 5,
    "max_experiment_duration": "1h",
    "tuner": {"name": "TPE", "class_args": {"optimize_mode": "minimize", "seed": 3}},
    "assessor": {"name": "Medianstop", "class_args": {"start_step": 2}},
    "training_service": {"platform": "local", "use_active_gpu": False, "gpu_indices": "0,1"},
}
CONFIG_1 = {
    "authorName": "me",
    "trialConcurrency": 1,
    "maxExecDuration": "1h",
    "maxTrialNum": 3,
    "trainingServicePlatform": "local",
    "searchSpacePath": "space.json",
    "tuner": {"builtinTunerName": "TPE", "classArgs": {"optimize_mode": "maximize"}},
    "trial": {"command": "true", "codeDir": ".", "gpuNum": 0},
}
WORDS = (
    b"[",
    b"{",
    b"&a ",
    b"*a",
    b"- ",
    b"? ",
    b": ",
    b"!!int ",
    b"!!binary ",
    b"<<: ",
    b"\xff",
    b"\0",
    b'"',
    b"\n",
    b"9",
)
SEARCHERS = (Random(), TPE(startup=2), GP(startup=2), Evolution(population=2))


def as_yaml(values: object) -> str:
    try:
        return yaml.safe_dump(values)
    except RecursionError:  # JSON is YAML, too
        return json.dumps(values, indent=1)


def searched(space: Space, searcher: object, number: int) -> None:
    """What is taken is searched without trouble, and its points are JSON that comes back."""
    history = History(space)
    for trial in range(4):
        try:
            params = searcher.suggest(space, history, trial_rng(number, trial))
        except SpaceExhausted:
            return
        assert json.loads(json.dumps(params, allow_nan=False)) == params
        row = space.encode(params)
        assert all(math.isnan(latent) or math.isfinite(latent) for latent in row)
        history.add(params, float(trial % 3))


@pytest.mark.fuzz(150)
def test_spaces(cases, answer, tmp_path):
    draw = random.Random(1)
    file = tmp_path / "space.json"
    taken = 0
    for number in range(cases):
        entries = SPACE
        for _ in range(draw.choice((1, 1, 2))):
            entries = changed(entries, draw)
        text = json.dumps(entries).encode()
        file.write_bytes(spoilt(text, draw, WORDS) if number % 5 == 0 else text)
        space = answer(lambda: Space.load(file), file)
        if space is not None:
            taken += 1
            searched(space, draw.choice(SEARCHERS), number)
    assert taken > cases / 20


@pytest.mark.fuzz(150)
def test_recipes(cases, answer, tmp_path):
    draw = random.Random(2)
    file = tmp_path / "recipe.json"
    good = [named_recipe(name).to_dict() for name in ("resnet9", "resnet9-extra", "speedrun96", "resnet9-384")]
    taken = 0
    for number in range(cases):
        values = changed(draw.choice(good), draw)
        text = json.dumps(values).encode()
        file.write_bytes(spoilt(text, draw, WORDS) if number % 5 == 0 else text)
        found = answer(lambda: find_recipe(str(file)), file)
        if found is not None:
            taken += 1
            assert Recipe.from_json(found[1].to_json()) == found[1]
    assert taken > cases / 20


@pytest.mark.fuzz(100)
def test_configurations(cases, answer, tmp_path, capsys):
    draw = random.Random(3)
    file = tmp_path / "config.yml"
    (tmp_path / "space.json").write_text(json.dumps(SPACE))
    taken = 0
    for number in range(cases):
        values = CONFIG if draw.random() < 0.7 else CONFIG_1
        for _ in range(draw.choice((1, 1, 2))):
            values = changed(values, draw)
        content = (json.dumps(values) if number % 2 else as_yaml(values)).encode()
        file.write_bytes(spoilt(content, draw, WORDS) if number % 3 == 0 else content)
        config = answer(lambda: load_config(file), file)
        if config is None:
            continue
        answer(config.check)
        taken += 1
    assert taken > cases / 20
