"""Folders of runs, series and supernets, spoilt at random: a list shows all, and hides none; messages name the file."""

import json
import random
import shutil
from functools import partial

import pytest
from fuzzing import changed, spoilt
from made_runs import trained

from fastcifar.cli.runs_text import document, list_text, show_text
from fastcifar.supernet.plan import SupernetPlan
from fastcifar.supernet.record import Record, read_record
from fastcifar.train.comparing.group import Group, Side, load_group
from fastcifar.train.record.checkpoint import place
from fastcifar.train.record.folder import Folder
from fastcifar.train.record.identity import identity
from fastcifar.train.record.listing import overviews
from fastcifar.train.record.record import RunFolder, read_tensors
from fastcifar.train.result import Times
from fastcifar.train.run import load_result

WORDS = (b"[" * 300, b"{", b"\xff", b"\0", b'"', b"\n", b"9" * 400, b",", b"nan", b"-1", b"null", b"\x1b[2J")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run, a series and a supernet as they are kept."""
    out = tmp_path_factory.mktemp("made")
    run = trained(out, checkpoint_every=1).rename(out / "run")
    result = load_result(run)
    group = out / "group"
    group.mkdir()
    kept = Group(
        kind="runs",
        sides={"": Side(name="one", recipe=result.recipe)},
        settings={"device": "cpu"},
        dataset={"name": "synthetic", "fingerprint": "ab12"},
        seed=0,
        runs=3,
        path=group,
    )
    kept.save()
    supernet = out / "supernet"
    shutil.copytree(run, supernet)
    (supernet / "run.json").unlink()
    record = Record(
        plan=SupernetPlan(recipe=result.recipe, space={"prep": {"_type": "choice", "_value": [2, 4]}}),
        settings=result.settings,
        dataset=result.dataset,
        provenance=result.provenance,
        precision="O2",
        times=Times(wall=1.0),
    )
    Folder(supernet).write_json(record.to_dict(), "supernet.json")
    return out


def put(path, draw, number):
    """Change the file, in what it says or in its bytes."""
    content = path.read_bytes()
    if path.suffix == ".json" and number % 4:
        values = json.loads(content)
        for _ in range(draw.choice((1, 1, 2))):
            values = changed(values, draw)
        content = json.dumps(values).encode()
    else:
        content = spoilt(content, draw, WORDS)
    path.write_bytes(content)


def looked_at(made, name, sort, answer):
    """What the commands do with a folder in which `name` is spoilt; whether it is still read."""
    found = overviews(made, sort)
    assert sorted(one.id for one in found) == ["run", "supernet"]
    assert all(one.status != "unreadable" for one in found if not name.startswith(one.id))
    list_text(found).encode("utf-8", "replace")
    json.dumps([one.to_dict() for one in found])
    folder = (made / name).parent
    if folder.name != "group":
        answer(partial(show_text, folder, folder.name), folder)
        answer(lambda: json.dumps(document(folder, folder.name)), folder)
    read = {"run": load_result, "supernet": read_record, "group": load_group}[folder.name]
    whole = answer(partial(read, folder), folder)
    return whole is not None and bool(repr(whole))


@pytest.mark.fuzz(60)
def test_records(cases, answer, made):
    draw = random.Random(8)
    files = ("run/run.json", "run/epochs.csv", "supernet/supernet.json", "supernet/epochs.csv", "group/group.json")
    taken = 0
    for number in range(cases):
        name, sort = draw.choice(files), draw.choice(("id", "status", "seed", "valid_acc", "changes"))
        good = (made / name).read_bytes()
        try:
            put(made / name, draw, number)
            taken += looked_at(made, name, sort, answer)
        finally:
            (made / name).write_bytes(good)
    assert taken > cases / 20


@pytest.mark.fuzz(100)
def test_checkpoints(cases, answer, made, tmp_path):
    """A byte that is another one is noticed, wherever it is."""
    draw = random.Random(9)
    path = tmp_path / "checkpoint.safetensors"
    name = next(file.name for file in (made / "run").iterdir() if file.suffix == ".safetensors")
    whole = (made / "run" / name).read_bytes()
    run = identity(load_result(made / "run"))
    path.write_bytes(whole)
    good = read_tensors(path)
    for number in range(cases):
        content = bytearray(whole)
        if number % 2:
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        else:
            content = bytearray(spoilt(whole, draw, WORDS))
        path.write_bytes(content)
        found = answer(lambda: read_tensors(path), path)
        assert found is None or (found[1] == good[1] and all((found[0][key] == good[0][key]).all() for key in good[0]))
        answer(lambda: place(RunFolder(tmp_path), run), path)
