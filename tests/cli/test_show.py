from dataclasses import replace
from types import SimpleNamespace

import pytest
from made_results import made

from fastcifar.cli.banner import banner, different_fields, notices, set_text, warnings
from fastcifar.cli.training import show
from fastcifar.cli.training.runs_view import estimate_line
from fastcifar.train import named_recipe


def test_the_progress_line(monkeypatch, capsys, recipe):
    """Ten steps a second, 20 steps an epoch, 3 epochs: what is said after step 6 of epoch 2."""
    now = iter(100 + 0.1 * i for i in range(1000))
    monkeypatch.setattr(show.time, "perf_counter", lambda: next(now))
    view = show.RunView(quiet=True)
    view.progress = True
    view.hooks().on_start(SimpleNamespace(recipe=recipe, dataset={"train_images": 640}), 0)
    for i in range(26):
        view.hooks().progress(i // 20, i % 20)
    last = capsys.readouterr().err.split("\r\x1b[K")[-1]
    assert last == "epoch 2/3, step 6/20, 320 images/s, 0:03 left"


def test_the_last_line():
    data = {"valid_images": 5000}
    one = replace(made(0, 0.84254), split="holdout", dataset=data)
    assert show.accuracy_line(one) == "accuracy: 84.25 % on holdout (5,000 images)"
    assert show.accuracy_line(replace(one, test_acc=0.8)).endswith(" on holdout (5,000 images); 80.00 % on test")
    views = replace(one, tta_acc=0.85)
    assert show.accuracy_line(views) == "accuracy: 85.00 % over the views, 84.25 % without, on holdout (5,000 images)"


@pytest.mark.parametrize(
    ("estimate", "line"),
    [
        ({"": [35.0] * 10}, "about 6 min: 10 runs of about 35 s"),
        ({"A": [35.0, 35.0], "B": [40.0, 40.0]}, "about 2 min: 4 runs of about 40 s"),
        ({"A": [2.0], "B": [40.0, 40.0]}, "about 82 s: 1 run of A of about 2.0 s, 2 runs of B of about 40 s"),
    ],
)
def test_an_estimate(estimate, line):
    assert estimate_line(estimate) == line


def test_a_banner_says_what_was_set():
    tiny = named_recipe("resnet9-tiny")
    changed = tiny.with_params({"peak_lr": 1 / 3, "layer3": 128, "dataset": "cifar100", "total_epoch": 5})
    assert changed.peak_epoch != tiny.peak_epoch  # it follows from the epochs, and is not told
    fields = different_fields(tiny, changed)
    assert set_text(fields) == " with total_epoch=5, peak_lr=0.333333, layer3=128"
    many = {f"field{i}": "x" * 50 for i in range(10)}
    assert set_text(many).count("=") == 8 and set_text(many).endswith(f"field7={'x' * 37}... and 2 more")
    data = {"name": "cifar100", "train_images": 50_000, "valid_images": 10_000, "canonical": False}
    machine = {"device": "a CPU", "threads": 1}
    result = replace(made(3, 0.9), dataset=data, settings={"device": "cpu"}, provenance=machine)
    images = "cifar100: train 50,000 images, valid = test, 10,000 images; seed 3; O0 on a CPU, 1 thread"
    told = " with total_epoch=5, peak_lr=0.333333, layer3=128"
    assert banner(replace(result, recipe=changed, recipe_name="resnet9-tiny")) == f"resnet9-tiny{told} on {images}"
    assert banner(replace(result, recipe=changed, recipe_name="mine")) == f"mine on {images}"
    assert banner(replace(result, recipe_name="mine"), changed={"flip": "none"}).startswith("mine with flip=none on ")
    assert notices(data) == ["canonical: false (these are not the published cifar100 files)"] and not warnings(data)
