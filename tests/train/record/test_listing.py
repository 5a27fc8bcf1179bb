import json
from pathlib import Path

import pytest
from made_runs import copied, trained

from fastcifar.cli import run
from fastcifar.train import Recipe, RecordError, find_recipe, list_runs, named_recipe
from fastcifar.train.recipe.changes import changed_fields, settings_text
from fastcifar.train.record.folder import Folder
from fastcifar.train.record.listing import COLUMNS, find, overviews, read_note, write_note
from fastcifar.train.run import load_result


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A run as `train` leaves it."""
    return trained(tmp_path_factory.mktemp("runs"), name="resnet9-tiny", seed=3)


@pytest.fixture
def folder(first, tmp_path):
    return copied(first, "x").rename(tmp_path / "20261201-120000-resnet9-tiny-ab12")


def test_a_trained_run(first):
    (one,) = overviews(first.parent)
    record = json.loads((first / "run.json").read_text())
    assert one.to_dict() == {
        "id": first.name,
        "kind": "run",
        "recipe": "resnet9-tiny",
        "changes": {
            "dataset": "synthetic",
            "train_images": 64,
            "total_epoch": 1,
            "batch_size": 32,
            "peak_lr": 0.1,
            "prep": 2,
            "layer1": 2,
            "layer2": 2,
            "layer3": 2,
        },
        "dataset": "synthetic",
        "canonical": record["dataset"]["canonical"],
        "train_images": 64,
        "split": "test",
        "seed": 3,
        "status": "finished",
        "epochs": 1,
        "of": 1,
        "valid_acc": record["epochs"][-1]["valid_acc"],
        "train_seconds": round(record["seconds"]["train"], 2),
        "wall_seconds": round(record["seconds"]["wall"], 2),
        "device": record["device"],
        "part_of": None,
        "note": None,
        "path": str(first),
        "message": "",
    }


def test_a_record_of_an_older_version_does_not_say_what_was_changed(folder):
    record = json.loads((folder / "run.json").read_text())
    del record["changes"], record["recipe_source"]
    (folder / "run.json").write_text(json.dumps(record))
    (one,) = overviews(folder.parent)
    assert one.changes is None and one.status == "finished"


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"settings": {"group": {"kind": "compare", "id": "20261201-1", "side": "B"}}}, "compare 20261201-1 B"),
        ({"settings": {"group": {"kind": "compare", "id": "1-compare-a-ab12", "side": "A"}}}, "1-compare-a-ab12 A"),
        ({"settings": {"group": {"kind": "runs", "id": "20261201-1"}}}, "runs 20261201-1"),
        ({"settings": {"group": "?"}}, None),
        ({"recipe_source": "/there/20261201-115900-lr-ab12/best.json"}, "search 20261201-115900-lr-ab12"),
        ({"recipe_source": "/there/lr/best.json"}, None),
    ],
)
def test_what_a_run_belongs_to(folder, changes, part):
    copied(folder, "copy", **changes)
    assert [one.part_of for one in overviews(folder.parent) if one.id == "copy"] == [part]


def test_status_of_a_run_that_nobody_holds(folder):
    path = copied(folder, "copy", status="running")

    def status():
        return [one.status for one in overviews(path.parent) if one.id == "copy"]

    assert status() == ["killed"]
    with Folder(path).locked():
        assert status() == ["running"]


@pytest.mark.parametrize(
    ("file", "harm", "why"),
    [
        ("run.json", b"{", "line 1: not JSON"),
        ("run.json", b"\xff", "not UTF-8 text"),
        ("run.json", b"[" * 100_000, "nested too deeply"),
        ("run.json", b"[]", "not the record of a run"),
        ("run.json", b'{"recipe": {}}', "not a record of this version"),
        ("run.json", b'{"recipe": 1, "dataset": "x"}', "not a record of this version"),
        ("run.json", None, "cannot be read"),
        ("epochs.csv", b"epoch,lr\n1,2\n", "not a whole table"),
        ("epochs.csv", None, "not a whole table"),
    ],
)
def test_a_damaged_run_is_listed_and_hides_no_other(folder, file, harm, why):
    path = copied(folder, "damaged")
    if harm is None:
        (path / file).unlink()
    else:
        (path / file).write_bytes(harm)
    one, other = overviews(folder.parent, "status")[::-1]
    assert (one.id, one.status, other.status) == ("damaged", "unreadable", "finished")
    assert str(path) in one.message and why in one.message
    assert other.id == folder.name


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"dataset": 3}, "TypeError("),
        ({"seconds": 3}, "TypeError("),
        ({"recipe": 4}, "TypeError("),
        ({"recipe_name": 5}, "record.recipe cannot be 5"),
        ({"seed": 10**400}, "record.seed cannot be 2^1328..."),
        ({"seed": None}, "record.seed cannot be None"),
        ({"device": ["a"]}, "record.device cannot be ['a']"),
        ({"seconds": {"wall": 10**400}}, "OverflowError("),
        ({"settings": 1}, "AttributeError("),
        ({"changes": 7}, "TypeError("),
    ],
)
def test_a_record_of_odd_values_is_unreadable(folder, changes, why, capsys):
    path = copied(folder, "odd", **changes)
    one = next(one for one in overviews(folder.parent) if one.id == "odd")
    assert one.status == "unreadable"
    assert one.message.startswith(f"{path / 'run.json'}: not a record of this version ({why}")
    assert run(["runs", "--out", str(folder.parent)]) == 0
    out, err = capsys.readouterr()
    assert folder.name in out and "unreadable" in out and "unexpected" not in err
    assert run(["runs", "show", "odd", "--out", str(folder.parent)]) == 1
    assert capsys.readouterr().err == f"fastcifar: {one.message}\n"


@pytest.mark.parametrize("changes", [{"dataset": 3}, {"seconds": 3}, {"recipe": 4}, {"seed": "x"}, {"settings": {}}])
def test_an_odd_record_names_its_file(folder, changes):
    """Also where it is a series' or a run that is gone on with."""
    path = copied(folder, "odd", **changes)
    with pytest.raises(RecordError) as caught:
        load_result(path)
    assert str(caught.value).startswith(f"{path / 'run.json'}: not a record of this version (")


def test_what_is_no_run_is_passed_over(folder):
    (folder.parent / "notes.txt").write_text("")
    (folder.parent / "empty").mkdir()
    experiment = folder.parent / "20261201-120000-lr-ab12"
    experiment.mkdir()
    (experiment / "experiment.db").write_bytes(b"")
    assert [one.id for one in overviews(folder.parent)] == [folder.name]
    assert overviews(folder.parent / "nowhere") == []


def test_supernets_are_listed_also_those_of_an_experiment(folder):
    record = json.loads((folder / "run.json").read_text())
    kept = ("status", "message", "recipe", "seed", "settings", "dataset", "seconds")
    document = {name: record[name] for name in kept} | {"provenance": {"device": "a GPU"}}
    experiment = folder.parent / "20261202-120000-lr-ab12"
    experiment.mkdir()
    (experiment / "experiment.db").write_bytes(b"")
    for place in (folder.parent, experiment):
        path = copied(folder, "supernet").rename(place / "20261203-120000-supernet-resnet9-cd34")
        (path / "run.json").unlink()
        (path / "supernet.json").write_text(json.dumps(document))
    rows = [(one.kind, one.recipe, one.device, one.part_of, one.epochs) for one in overviews(folder.parent, "id")[1:]]
    assert rows == [
        ("supernet", "resnet9", "a GPU", f"search {experiment.name}", 1),
        ("supernet", "resnet9", "a GPU", None, 1),
    ]


def test_rows_without_a_value_come_last(folder):
    copied(folder, "a", epochs=[0.3, 0.9])
    copied(folder, "b", epochs=[])
    copied(folder, "c", epochs=[0.5])
    (folder / "epochs.csv").unlink()
    found = overviews(folder.parent, "valid_acc")
    assert [(one.id, one.valid_acc) for one in found][:2] == [("c", 0.5), ("a", 0.9)]
    assert [one.valid_acc for one in found][2:] == [None, None]
    assert [one.epochs for one in found] == [1, 2, None, 0]
    with pytest.raises(ValueError, match="there is no column 'acc'; did you mean"):
        overviews(folder.parent, "acc")


def test_as_a_pandas_table(folder):
    copied(folder, "copy", epochs=[0.25], changes={"peak_lr": 0.3, "flip": "none"})
    found = list_runs(str(folder.parent), sort="valid_acc")
    assert tuple(found.columns) == COLUMNS and len(found) == 2
    row = found.set_index("id").loc["copy"]
    assert (row["valid_acc"], row["train_seconds"], row["changes"]) == (0.25, 2.0, "peak_lr=0.3 flip=none")
    assert tuple(list_runs(folder / "nowhere").columns) == COLUMNS


def test_find_by_path_id_or_a_beginning(folder):
    other = copied(folder, "20261202-120000-resnet9-cd34")
    out = folder.parent
    for name in (str(other), other.name, "20261202", "20261202-120000-r"):
        assert find(out, name) == (other, "run")
    with pytest.raises(RecordError, match=f"beginning of several runs: {folder.name}, {other.name}"):
        find(out, "2026")
    with pytest.raises(
        RecordError, match=f"there is no run '20261202-120000-resnet-cd' under .*did you mean {other.name}"
    ):
        find(out, "20261202-120000-resnet-cd")
    with pytest.raises(RecordError, match=r"there is no run '' under .*; `fastcifar runs` lists them"):
        find(out, "")


def test_a_note_is_kept_beside_the_record(folder):
    write_note(folder, " schön,\nwirklich ")
    assert (folder / "note.txt").read_bytes() == "schön,\nwirklich\n".encode()
    assert read_note(folder) == overviews(folder.parent)[0].note == "schön,\nwirklich"
    write_note(folder, "")
    assert read_note(folder) is None and not (folder / "note.txt").exists()


def test_changed_fields_leave_out_what_follows_from_others():
    speedrun, tiny = named_recipe("speedrun94"), named_recipe("resnet9-tiny")
    assert changed_fields(speedrun.with_params({"total_epoch": 14}), speedrun) == {"total_epoch": 14}
    both = {"total_epoch": 14, "sizes": {"24": 1}}
    assert changed_fields(speedrun.with_params(both), speedrun) == {"total_epoch": 14, "sizes": {"24": 1}}
    assert changed_fields(tiny.with_params({"total_epoch": 4, "peak_epoch": 1}), tiny) == {
        "total_epoch": 4,
        "peak_epoch": 1.0,
    }
    rates = [0.1] * 26
    assert changed_fields(Recipe(lr_instead=rates), Recipe()) == {"lr_instead": rates}
    assert changed_fields(tiny, tiny) == {}


def test_changed_fields_name_parts():
    base = Recipe(lr_scale={"prep": 0.5})
    changes = {"lr_scale.prep": 0.1, "lr_scale.layer1": 2.0, "flip": "none", "res_layers": ["layer1"]}
    found = changed_fields(base.with_params(changes), base)
    assert found == changes and base.with_params(found) == base.with_params(changes)
    assert changed_fields(Recipe(), base) == {"lr_scale": {}}
    assert settings_text(found) == 'lr_scale.prep=0.1 lr_scale.layer1=2.0 res_layers=["layer1"] flip=none'


def test_the_name_of_a_searchs_best_says_which_search(tmp_path):
    search = tmp_path / "20261201-115900-lr-ab12"
    search.mkdir()
    for path, name in ((search / "best.json", "best-lr-ab12"), (tmp_path / "mine.json", "mine")):
        path.write_text(json.dumps({"total_epoch": 3}))
        assert find_recipe(str(path))[0] == name


def test_a_run_of_a_file_says_what_was_changed_in_it(tmp_path):
    source = tmp_path / "20261201-115900-lr-ab12" / "best.json"
    source.parent.mkdir()
    values = {"dataset": "synthetic", "total_epoch": 1, "batch_size": 32, "prep": 2, "layer1": 2, "layer2": 2}
    source.write_text(json.dumps(values | {"layer3": 4}))
    name, _ = find_recipe(str(source))
    path = trained(tmp_path / "runs", name=name, source=str(source))
    (one,) = overviews(tmp_path / "runs")
    assert one.changes == {"train_images": 64, "peak_lr": 0.1, "layer3": 2}
    assert path.name[16:-5] == "best-lr-ab12" and one.part_of == f"search {source.parent.name}"
    assert json.loads((path / "run.json").read_text())["recipe_source"] == str(source)
    assert Path(one.path) == path
