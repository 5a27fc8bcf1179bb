"""An experiment that was loaded: nothing that it names runs before someone has agreed to it."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from experiments import FITS, SPACE, output, rows_of

from fastcifar.cli import run
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.archive import save
from fastcifar.experiment.store.folders import make_folder
from fastcifar.experiment.store.store import Store
from fastcifar.experiment.store.trust import UntrustedError, would_run
from fastcifar.search import Experiment

CLASSES = """
from pathlib import Path
Path("imported").touch()
class Mine:
    def suggest(self, space, history, rng):
        return {"x": 0.5, "seed": 1, "net": {"_name": "a", "w": 3}}
    def best(self, history):
        return {"x": 0.5, "seed": 1, "net": {"_name": "a", "w": 3}}
    def assess(self, history, trial):
        return True
"""


@pytest.fixture
def packed(tmp_path, monkeypatch):
    """Makes an archive of an experiment with these fields of a spec; returns the id and the file's name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    Path("mine.py").write_text(CLASSES)
    Path("space.json").write_text(json.dumps(SPACE))

    def make(**fields):
        folder = make_folder(tmp_path / "theirs", "one")
        spec = Spec(**{"space": SPACE, "trials": 1, "tuner": {"name": "Random"}, **fields})
        Store.create(folder, {"spec": spec.to_dict(), "status": "stopped", "trusted": True}).close()
        save(folder, Path("one.tar.gz"), force=True)
        return folder.name

    return make


CUSTOM = {"class_name": "mine.Mine", "code_directory": "."}
RUNS = [
    ({"command": "touch ran; echo \x1b[2J"}, "the command 'touch ran; echo \\x1b[2J' in ."),
    ({"function": "mine:f", "code_directory": "/there"}, "the function mine:f in /there"),
    ({"recipe": {}, "tuner": CUSTOM}, "the tuner class mine.Mine in ."),
    ({"command": "true", "assessor": CUSTOM}, "the command true in .; the assessor class mine.Mine in ."),
]


@pytest.mark.parametrize(("fields", "runs"), RUNS)
def test_resume_asks_first(packed, capsys, fields, runs):
    id = packed(**fields)
    assert run(["experiment", "load", "one.tar.gz"]) == 0
    assert capsys.readouterr().err == (
        f"loaded {id} from one.tar.gz; it runs {runs}, which resume does with --trust only\n"
    )
    if "recipe" in fields:  # this one is of no version, which `resume` would say first
        assert would_run(Spec(space=SPACE, **fields)) == [runs]
        return
    for words in (["experiment", "resume", id], ["search", "--resume", id]):
        assert run(words) == 2
        assert capsys.readouterr().err == (
            f"fastcifar: {id} came in one.tar.gz, and runs {runs}: --trust is needed to go on with it\n"
        )
    with pytest.raises(UntrustedError, match="trust"):
        Experiment.resume(id)
    assert not Path("ran").exists() and not Path("imported").exists() and rows_of(f"runs/{id}") == []
    assert "from one.tar.gz; resume needs --trust" in output(capsys, "show", id)


def test_trust_is_kept(packed, capsys):
    id = packed(command="touch ran; false")
    run(["experiment", "load", "one.tar.gz"])
    capsys.readouterr()
    assert run(["experiment", "resume", id, "--trust", "--json"]) == 1  # the command fails
    assert f"{id} came in one.tar.gz, and runs the command touch ran; false in ." in capsys.readouterr().err
    assert Path("ran").exists() and len(rows_of(f"runs/{id}")) == 1
    assert "resume needs --trust" not in output(capsys, "show", id)
    assert run(["experiment", "update", id, "--trials", "2"]) == 0
    assert run(["experiment", "resume", id, "--json"]) == 1
    assert len(rows_of(f"runs/{id}")) == 2


def test_own_experiments_need_no_trust(packed, capsys):
    id = packed(command="false")
    assert run(["experiment", "resume", id, "--json", "--out", "theirs"]) == 1
    assert len(rows_of(f"theirs/{id}")) == 1


def test_import_and_update_import_nothing(packed, capsys):
    id = packed(command="true", tuner=CUSTOM, assessor=CUSTOM)
    run(["experiment", "load", "one.tar.gz"])
    Path("some.json").write_text(json.dumps([{"parameter": FITS, "value": 1}]))
    output(capsys, "import", id, "some.json")
    output(capsys, "update", id, "--space", "space.json", "--trials", "5")
    Path("other.json").write_text(json.dumps({**SPACE, "y": SPACE["x"]}))
    assert "y: it is missing" in output(capsys, "update", id, "--space", "other.json", code=2)
    for words in (["show"], ["trials"], ["top"], ["export"], ["list"]):
        output(capsys, *words)
    assert not Path("imported").exists() and len(rows_of(f"runs/{id}")) == 1


def test_trust_goes_with_resume(capsys):
    for words in (["search", "--space", "channels"], ["supernet", "search", "--space", "channels"]):
        assert run([*words, "--trust"]) == 2
        assert "--trust: it goes with --resume" in capsys.readouterr().err


def test_a_supernet_search_that_was_loaded(packed, capsys):
    """Its trials are trainings, so that only a tuner's class could be someone else's."""
    asked = {"method": "fair", "rates": "equal", "limits": {}, "trainings": 6}
    folder = make_folder(Path("runs"), "one")
    spec = Spec(space=SPACE, tuner=CUSTOM)
    with closing(Store.create(folder, {"spec": spec.to_dict(), "supernet": asked, "loaded": "x.tar.gz"})):
        pass
    assert run(["supernet", "search", "--resume", folder.name]) == 2
    assert "came in x.tar.gz, and runs the tuner class mine.Mine in ." in capsys.readouterr().err
    assert not Path("imported").exists()
