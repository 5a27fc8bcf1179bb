"""Mistakes on the command line: one line each, with what was meant, and exit code 2."""

from dataclasses import fields

import pytest

from fastcifar.attributes import field_names
from fastcifar.cli import run
from fastcifar.cli.main import COMMANDS, _parse
from fastcifar.cli.parsing.mistakes import Mistake, check_words
from fastcifar.cli.parsing.words import all_words, words_of
from fastcifar.names import SYNONYMS, nearest
from fastcifar.search import Space, SpaceError
from fastcifar.search.spaces.parameter import TYPES
from fastcifar.train import Recipe


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("trian", "there is no command 'trian'; did you mean train?"),
        ("stop", "there is no command 'stop'; did you mean experiment stop?"),
        ("experiment lst", "experiment: there is no action 'lst'; did you mean list or stop?"),
        ("supernet", "supernet: the name of an action is needed: train, rank, search, export"),
        ("train --lr 0.1", "--lr: train has no such flag; did you mean --set peak_lr=0.1?"),
        ("train --learning-rate=0.1", "--learning-rate: train has no such flag; did you mean --set peak_lr=0.1?"),
        ("compare a --weight_decay 1e-3", "--weight_decay: compare has no such flag; did you mean --set base_wd=1e-3?"),
        ("train --bs", "--bs: train has no such flag; did you mean --set batch_size=VALUE?"),
        ("search --layer3 64", "--layer3: search has no such flag; did you mean --set layer3=64?"),
        ("train --epoch 3", "--epoch: train has no such flag; did you mean --epochs 3?"),
        ("supernet train --n_epochs 3", "--n_epochs: supernet train has no such flag; did you mean --epochs 3?"),
        ("search --spcae lr", "--spcae: search has no such flag; did you mean --space lr?"),
        ("search --gpu 0", "--gpu: search has no such flag; did you mean --device 0?"),
        ("train -epochs 3", "-epochs: train has no such flag; did you mean --epochs 3?"),
        (
            "train --trials 3",
            "--trials: train has no such flag; search and experiment update have it; `fastcifar train --help` lists "
            "its own",
        ),
        ("graph --qqq", "--qqq: graph has no such flag; `fastcifar graph --help` lists its own"),
        ("train lr=0.1", "lr=0.1: write --set peak_lr=0.1"),
        ("train resnet9 epochs=3", "epochs=3: write --epochs 3"),
        ("train --epochs 1.5", "--epochs: a whole number is needed, not '1.5'"),
        ("train --epochs=many", "--epochs: a whole number is needed, not 'many'"),
        ("train --seed", "--seed: a whole number is needed after it"),
        ("train --epochs --seed 3", "--epochs: a whole number is needed after it"),
        ("train --target high", "--target: a number is needed, not 'high'"),
        ("train --json=yes", "--json: it takes no value; leave 'yes' out"),
        ("train --set", "--set: KEY=VALUE is needed after it"),
        ("search --dataset", "--dataset: NAME is needed after it"),
        ("experiment export --format xml", "--format: json or csv is needed, not 'xml'"),
        ("experiment top -n few", "--n: a whole number is needed, not 'few'"),
        ("experiment kill an-id", "experiment kill: --trial is needed; `fastcifar experiment kill --help` says more"),
        ("train resnet9 foo", "'foo' is one word too many: train takes [RECIPE]"),
        ("search lr", "'lr' is one word too many: search takes flags only"),
        ("runs json", "runs: there is no action 'json'; did you mean show?"),
        ("data json", "'json' is one word too many: data takes flags only; did you mean --json?"),
    ],
)
def test_a_mistake_is_one_line(line, said, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(line.split())
    out, err = capsys.readouterr()
    assert (stopped.value.code, out, err) == (2, "", f"fastcifar: {said}\n")


@pytest.mark.parametrize("line", ["", "--debug train"])
def test_a_command_is_needed(line, capsys):
    with pytest.raises(SystemExit):
        run(line.split())
    (said,) = capsys.readouterr().err.splitlines()
    assert "the name of a command is needed" in said and said.endswith(", ".join(COMMANDS))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train --set peak_lr 0.3", "--set: KEY=VALUE is needed, not 'peak_lr'; write peak_lr=0.3"),
        ("train --set peak_lr = 0.3", "--set: KEY=VALUE is needed, not 'peak_lr'; write peak_lr=0.3"),
        ("train --set peak_lr: 0.3", "--set: KEY=VALUE is needed, not 'peak_lr:'; write peak_lr=0.3"),
        ("train --set flip=none peak_lr", "--set: KEY=VALUE is needed, not 'peak_lr'"),
        ("graph --set lr=1", "a recipe has no field 'lr'; did you mean peak_lr?"),
        ("graph --set epochs=1", "a recipe has no field 'epochs'; did you mean total_epoch?"),
        ("search --space lr --set wd=1", "a recipe has no field 'wd'; did you mean base_wd?"),
        ("supernet train --space channels --set bs=1", "a recipe has no field 'bs'; did you mean batch_size?"),
        ("graph --set qqqq=1", "a recipe has no field 'qqqq'; `fastcifar recipes --fields` lists them"),
    ],
)
def test_a_setting_that_is_no_field(line, said, capsys):
    assert run(line.split()) == 2
    assert capsys.readouterr().err == f"fastcifar: {said}\n"


@pytest.mark.parametrize(
    "line",
    [
        "train resnet9 --set a=1 b=2 --epochs 3 --seed -1 --json",
        "train --data_dir x --set a=1 --set b=2",
        "train --epochs=3 --device=cpu -- resnet9",
        "compare --set a=1 b=2 resnet9",  # the last word is A, which is needed
        "compare resnet9 resnet9-tiny --delta .2",
        "graph -o x.svg --sizes",
        "graph -ox.svg --force",
        "experiment export --format csv -o=out.csv id",
        "experiment top -n 3",
        "experiment stop --all",
        "supernet train --vary layer1 layer2 --init run",
        "search --max-flops inf --space lr",
        "train --json --json",
    ],
)
def test_what_is_no_mistake_is_read_by_tyro(line):
    check_words(line.split(), COMMANDS)
    assert _parse(line.split()).debug is False


def test_every_flag_is_known_to_tyro():
    """What is read here of the dataclasses is what tyro makes of them: each flag alone, with a value."""
    values = {int: "1", float: "1.5", bool: None}
    for command, words in all_words(COMMANDS).items():
        needed = [[word.name, "1"] if word.spellings else ["1"] for word in words if word.required]
        line = [*command.split(), *(text for one in needed for text in one)]
        for word in words:
            if word.required or not word.spellings:
                continue
            value = (word.choices or (values.get(word.kind, "text"),))[0]
            line += [word.spellings[0]] + ([] if value is None else [value])
        check_words(line, COMMANDS)
        _parse(line)


def test_numbers_and_help_are_no_flags():
    check_words(["train", "--trian", "--help"], COMMANDS)  # help is what was asked for
    check_words(["--help"], COMMANDS)
    check_words(["supernet", "-h"], COMMANDS)
    with pytest.raises(Mistake, match="no such flag"):
        check_words(["train", "--seeed", "-1"], COMMANDS)


def test_commands_that_train_share_their_flags():
    shared = {"dataset", "data_dir", "or_synthetic", "epochs", "set", "device", "out", "debug"}
    for command in ("train", "compare", "search", "supernet train", "supernet search"):
        words = all_words(COMMANDS)[command]
        assert shared <= {word.field for word in words}, command
    first, second = (
        {word.field: word for word in words_of(COMMANDS[name]) if word.field in shared} for name in ("train", "search")
    )
    assert first == second


@pytest.mark.parametrize(
    ("kind", "meant"), [("log", "loguniform"), ("int", "randint"), ("float", "uniform"), ("categorical", "choice")]
)
def test_types_of_a_space_in_other_words(kind, meant):
    with pytest.raises(SpaceError, match=f"the type '{kind}' is not known; did you mean {meant}[?]"):
        Space.from_dict({"x": {"_type": kind, "_value": [1, 2]}})


def test_a_synonym_comes_before_a_likeness():
    assert nearest("Learning-Rate", ["peak_lr", "learning_rates"]) == "; did you mean peak_lr?"
    assert nearest("epochs", ["peak_epoch", "total_epoch"]) == "; did you mean total_epoch?"
    assert nearest("epochs", ["peak_epoch"]) == "; did you mean peak_epoch?"  # no name that it is a synonym of


def test_the_fields_that_are_read_are_the_recipes():
    assert field_names("fastcifar", "train/recipe/values.py", "Values") == [field.name for field in fields(Recipe)]


def test_synonyms_mean_something():
    """Each is a field of a recipe, a flag, or a type of a search space."""
    flags = {word.field for words in all_words(COMMANDS).values() for word in words}
    known = {field.name for field in fields(Recipe)} | flags | set(TYPES) | {"threads"}
    assert {name for names in SYNONYMS.values() for name in names.split()} <= known
