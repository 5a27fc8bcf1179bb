"""A machine without a C++ compiler: said once, in one line."""

import warnings
from types import SimpleNamespace

import pytest
import torch

from fastcifar.cli.main import run as command
from fastcifar.cli.search_view import SearchView
from fastcifar.errors import Notice
from fastcifar.experiment.spec import Spec
from fastcifar.net import load_kernels
from fastcifar.net.fused.library import _loaded
from fastcifar.train import Hooks, load_network, resume, train
from fastcifar.train.step.ways import _tell, resolve_step, resumed_step

LINE = (
    "the fused step is left out: the kernels could not be compiled by no-such-compiler: "
    "[Errno 2] No such file or directory: 'no-such-compiler'; a step takes 4 % (resnet9 in fp32) to 34 % "
    "(resnet9-tiny in bf16) longer; it needs a C++ compiler, such as that of: apt install g++"
)
CPU = torch.device("cpu")


@pytest.fixture
def no_compiler(monkeypatch, tmp_path):
    def forget():
        for cached in (load_kernels, _tell, _loaded):
            cached.cache_clear()

    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    forget()
    yield
    monkeypatch.undo()
    forget()


@pytest.fixture
def short(recipe):
    return recipe.with_params({"total_epoch": 2, "train_images": 64})


def test_in_python_it_is_a_warning_once(no_compiler, short, images):
    with pytest.warns(Notice) as told:
        results = [train(short, images, device="cpu") for _ in range(2)]
    assert [str(one.message) for one in told if one.category is Notice] == [LINE]
    assert {result.settings["step"] for result in results} == {"eager"}


def test_what_was_asked_for_is_silent(no_compiler, short, images):
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        assert train(short, images, device="cpu", step="eager").settings["step"] == "eager"
        assert resumed_step({"step": "eager", "step_asked": "eager"}, CPU) == "eager"
        assert resumed_step({"step": "eager"}, CPU) == "eager"  # a record of before it was kept
    with pytest.raises(ValueError, match=r"step: fused cannot be had: the kernels .*apt install g\+\+"):
        resolve_step("fused", CPU)


def test_a_compiler_that_fails_is_asked_once(no_compiler, monkeypatch, short, images):
    asked = []
    plain = _loaded.__wrapped__.__globals__["_compile"]
    monkeypatch.setattr("fastcifar.net.fused.library._compile", lambda *given: asked.append(1) or plain(*given))
    with pytest.warns(Notice):
        for _ in range(3):
            assert resolve_step("auto", CPU) == "eager"
    assert asked == [1]


def test_a_resume_says_it_again_and_stays_eager(no_compiler, short, images, tmp_path):
    def stop(epoch, step):
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.warns(Notice), pytest.raises(KeyboardInterrupt):
        train(short, images, device="cpu", out=tmp_path / "runs", hooks=Hooks(progress=stop))
    _tell.cache_clear()  # another process
    (folder,) = (tmp_path / "runs").iterdir()
    with pytest.warns(Notice, match="the fused step is left out"):
        result = resume(folder, images)
    assert result.status == "finished" and result.settings["step"] == "eager"


def test_a_network_that_was_trained_fused_can_be_loaded(short, images, tmp_path, request):
    result = train(short, images, device="cpu", step="fused", out=tmp_path)
    request.getfixturevalue("no_compiler")
    with pytest.warns(Notice):
        network = load_network(result)
    assert network.step == "eager"
    assert network.accuracy(images.test) == pytest.approx(result.valid_acc, abs=0.02)


def test_a_command_prints_one_line(no_compiler, images, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("fastcifar.data.load", lambda name, folder=None: images)
    small = ["prep=4", "layer1=4", "layer2=4", "layer3=4", "train_images=64", "batch_size=32"]
    words = ["--dataset", "synthetic", "--device", "cpu", "--epochs", "1", "--out", str(tmp_path / "runs")]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert command(["train", "resnet9-tiny", "--runs", "2", *words, "--set", *small]) == 0
    captured = capsys.readouterr()
    assert captured.err.splitlines().count(f"fastcifar: {LINE}") == 1
    assert "Notice" not in captured.err and LINE not in captured.out


def test_a_search_says_it_before_its_workers_train(no_compiler, recipe):
    driver = SimpleNamespace(rows={}, store=SimpleNamespace(folder="runs/one"))
    plain = {"name": "one", "space": {}, "tuner": {"name": "Random"}, "seed": 0, "trials": 1}
    with pytest.warns(Notice, match="the fused step is left out"):
        SearchView().begin(Spec(**plain, recipe=recipe.to_dict(), device="cpu"), driver)
    _tell.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        SearchView().begin(Spec(**plain, command="true"), driver)  # trains nothing


def test_other_warnings_of_a_command_are_as_they_were(monkeypatch):
    def run(self):
        warnings.warn("of a library", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setattr("fastcifar.cli.shipped.Recipes.run", run)
    with pytest.warns(UserWarning, match="of a library"):
        show = warnings.showwarning
        assert command(["recipes"]) == 0
        assert warnings.showwarning is show
