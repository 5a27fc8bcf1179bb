"""How many threads a run has, and that the number is kept."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from fastcifar.cli.banner import machine
from fastcifar.cli.training import threads as flag
from fastcifar.cli.training.run_flags import RunFlags
from fastcifar.train import Hooks, load_result, resume, train
from fastcifar.train import threads as module
from fastcifar.train.threads import (
    candidates,
    choose_threads,
    fitting_threads,
    kept_threads,
    measured_rates,
    using_threads,
)


@pytest.fixture
def two_threads():
    """Torch has two threads; runs of the tests have one, as on a busy machine two of them take minutes."""
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("rates", "number"),
    [
        ({1: 1.0, 2: 1.9}, 2),
        ({1: 1.4, 2: 1.0}, 2),  # too little to tell it from noise
        ({1: 1.5, 2: 1.0}, 1),
        ({1: 12.0, 2: 1.0}, 1),
        ({1: 1.6, 4: 3.0, 8: 1.0}, 4),
        ({1: 1.4, 4: 1.2, 8: 1.0}, 8),
        ({1: 5.0}, 1),
    ],
)
def test_fewer_threads_only_where_they_are_much_faster(rates, number):
    assert choose_threads(rates) == number


def test_what_is_measured():
    assert [candidates(most) for most in (1, 2, 3, 8)] == [[1], [1, 2], [1, 3], [1, 4, 8]]
    rates = measured_rates([1, 2])
    assert list(rates) == [1, 2] and all(1e7 < rate < 1e14 for rate in rates.values())
    assert torch.get_num_threads() == 1  # that of the tests


def test_a_busy_machine_is_said():
    number, message = fitting_threads(2, lambda numbers: {1: 31e9, 2: 10e9})
    assert number == 1
    assert message == ("the machine is busy: 1 thread does 3.1 times what 2 do; using 1 (--threads 2 to insist)")
    number, message = fitting_threads(8, lambda numbers: {1: 1.0, 4: 2.0, 8: 1.0})
    assert number == 4 and message.startswith("the machine is busy: 4 threads do 2.0 times what 8 do; using 4 ")


def test_a_quiet_machine_needs_no_word():
    assert fitting_threads(2, lambda numbers: {1: 10e9, 2: 19e9}) == (2, "")


def test_where_there_is_no_choice_nothing_is_measured(monkeypatch):
    def never(numbers):
        raise AssertionError

    assert fitting_threads(1, never) == (1, "")
    monkeypatch.setattr(module, "cores", lambda: 1)  # a cgroup's, of which torch knows nothing
    with using_threads(2):
        assert fitting_threads(None, never) == (1, "")


def test_a_resume_keeps_the_number_unless_the_cores_are_far_too_few(monkeypatch):
    monkeypatch.setattr(module, "cores", lambda: 2)
    assert [kept_threads(number) for number in (1, 2, 8)] == [(1, ""), (2, ""), (8, "")]
    assert kept_threads(16) == (
        2,
        "it was begun with 16 threads, but there are only 2 cores here: it goes on with 2, and may end with slightly "
        "other figures",
    )


def test_torch_has_its_own_number_again():
    with pytest.raises(KeyError), using_threads(3):
        assert torch.get_num_threads() == 3
        raise KeyError
    assert torch.get_num_threads() == 1
    with using_threads(None):
        assert torch.get_num_threads() == 1


def test_the_number_of_a_run_is_set_recorded_and_restored(recipe, images, tmp_path, two_threads):
    seen = []
    hooks = Hooks(on_epoch=lambda row: seen.append(torch.get_num_threads()))
    short = recipe.with_params({"total_epoch": 2})
    result = train(short, images, device="cpu", threads=1, out=tmp_path, hooks=hooks)
    assert seen == [1, 1] and torch.get_num_threads() == 2
    document = json.loads((tmp_path / result.id / "run.json").read_text())
    assert document["settings"]["threads"] == 1 and document["threads"] == 1
    assert machine(result).endswith(", 1 thread")
    assert machine(replace(result, provenance={**result.provenance, "threads": 2})).endswith(", 2 threads")


def test_without_a_number_a_run_has_torchs(recipe, images):
    result = train(recipe.with_params({"total_epoch": 1}), images, device="cpu")
    assert result.settings["threads"] == result.threads == 1
    assert machine(result).endswith(", 1 thread")


def test_a_number_that_is_none_is_refused_before_anything_is_kept(recipe, images, tmp_path):
    with pytest.raises(ValueError, match="threads: a whole number from 1 to 1,024 is needed, not 0"):
        train(recipe, images, device="cpu", threads=0, out=tmp_path)
    assert not list(tmp_path.iterdir())


def interrupted(recipe, images, folder):
    """A run that was begun with one thread, and has ended in its second epoch; its folder."""

    def stop(epoch, step):
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        short = recipe.with_params({"total_epoch": 2})
        train(short, images, device="cpu", threads=1, out=folder, hooks=Hooks(progress=stop))
    (made,) = folder.iterdir()
    return made


@pytest.mark.parametrize("old", [False, True])
def test_a_resume_has_the_number_of_the_record(recipe, images, tmp_path, two_threads, old):
    folder = interrupted(recipe, images, tmp_path)
    if old:  # the settings of earlier versions did not have it
        document = json.loads((folder / "run.json").read_text())
        del document["settings"]["threads"]
        (folder / "run.json").write_text(json.dumps(document))
    seen = []
    resume(folder, images, hooks=Hooks(on_epoch=lambda row: seen.append(torch.get_num_threads())))
    assert seen == [1] and torch.get_num_threads() == 2
    assert load_result(folder).resumed[0]["threads"] == 1


def test_a_resume_with_too_few_cores_records_what_it_had(recipe, images, tmp_path, monkeypatch):
    folder = interrupted(recipe, images, tmp_path)
    document = json.loads((folder / "run.json").read_text())
    document["settings"]["threads"] = document["threads"] = 5
    (folder / "run.json").write_text(json.dumps(document))
    monkeypatch.setattr(module, "cores", lambda: 1)
    result = resume(folder, images)
    assert result.threads == 1 and result.provenance["threads"] == result.settings["threads"] == 5


def test_the_flag(monkeypatch, capsys):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(module, "fitting_threads", lambda most: (1, f"busy, of {most}"))
    assert RunFlags(device="cpu", threads=3).settings()["threads"] == 3
    assert capsys.readouterr().err == ""
    assert RunFlags(device="cpu").settings()["threads"] == 1
    assert capsys.readouterr().err == "fastcifar: busy, of None\n"
    with pytest.raises(ValueError, match="threads: a whole number from 1 to 1,024"):
        flag.chosen_threads(0)
    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")
    assert RunFlags(device="cpu").settings()["threads"] is None  # as torch has read it
    assert flag.set_threads() == 2
    assert capsys.readouterr().err == ""


def test_threads_of_trials(monkeypatch, capsys):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(flag, "share_of_cores", lambda concurrency: 8 // concurrency)
    monkeypatch.setattr(module, "fitting_threads", lambda most: (most // 2, ""))
    assert flag.trial_threads(3, 2, "cpu") == 3
    assert flag.trial_threads(None, 2, "cpu") == 2  # of its 4 cores half are said to pay
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert flag.trial_threads(None, 2, "cpu") == 7


def test_a_gpus_run_is_not_measured(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("fastcifar.train.resolve_device", lambda name: SimpleNamespace(type="cuda"))
    assert flag.chosen_threads(None, "cuda") is None
    assert flag.chosen_threads(4, "cuda") == 4
