"""A training as a whole."""

import sys

import pytest
import torch
from safetensors.torch import load_file
from trainings import figures

from fastcifar.train import Hooks, Recipe, TrainError, load_result, train


def test_it_learns_and_repeats_itself(recipe, images):
    result = train(recipe, images, seed=1, device="cpu")
    assert result.status == "finished" and len(result.epochs) == 3
    assert result.epochs[-1].train_loss < result.epochs[0].train_loss - 0.2  # ten seeds: a fall of 0.55 to 1.2
    assert figures(train(recipe, images, seed=1, device="cpu")) == figures(result)
    assert figures(train(recipe, images, seed=2, device="cpu")) != figures(result)


def test_global_generators_are_left_alone(short, images):
    before = torch.get_rng_state()
    train(short.with_params({"total_epoch": 1}), images, device="cpu")
    assert torch.equal(before, torch.get_rng_state())


def test_a_loss_that_is_not_finite_ends_the_run(recipe, images, tmp_path):
    result = train(recipe.with_params({"peak_lr": 1e20, "precision": "O0"}), images, device="cpu", out=tmp_path)
    assert result.status == "diverged" and "epoch 1" in result.message
    assert load_result(result.path).status == "diverged"


def test_on_epoch_can_stop_the_run(short, images, tmp_path):
    result = train(short, images, device="cpu", out=tmp_path, hooks=Hooks(on_epoch=lambda row: row.epoch == 2))
    assert result.status == "stopped" and len(result.epochs) == 2
    assert (tmp_path / result.id / "weights.safetensors").exists()


def test_a_split_of_the_training_images(recipe, images):
    result = train(recipe.with_params({"train_images": 320, "total_epoch": 1}), images, device="cpu")
    assert result.dataset["train_images"] == 320 and result.dataset["valid_images"] == 200
    with pytest.raises(ValueError, match="a part of 5000 images"):
        train(recipe, images, device="cpu", split="holdout")
    with pytest.raises(ValueError, match="batch_size: 32 is more than the 30"):
        train(recipe.with_params({"train_images": 30}), images, device="cpu")


def test_lr_scale_of_zero_freezes_a_layer(short, images, tmp_path):
    frozen = short.with_params({"lr_scale": {"layer1": 0}, "total_epoch": 1, "precision": "O0"})
    one = load_file(train(frozen, images, device="cpu", out=tmp_path).path + "/weights.safetensors")
    other = load_file(
        train(frozen.with_params({"peak_lr": 0.05}), images, device="cpu", out=tmp_path).path + "/weights.safetensors"
    )
    for name, weight in one.items():
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            assert torch.equal(weight, other[name]) == name.startswith("layer1_"), name


def test_two_threads_repeat_themselves_too(short, images):
    torch.set_num_threads(2)
    try:
        assert figures(train(short, images, device="cpu")) == figures(train(short, images, device="cpu"))
    finally:
        torch.set_num_threads(1)


def test_a_real_lack_of_memory(recipe, images):
    hooks = Hooks(progress=lambda epoch, step: torch.empty(10**15))
    with pytest.raises(TrainError, match="out of memory on cpu with batch_size 32"):
        train(recipe, images, device="cpu", hooks=hooks)


def test_out_of_memory_names_the_batch_size(recipe, images, monkeypatch, tmp_path):
    module = sys.modules["fastcifar.train.session"]

    def fail(*arguments, **settings):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(module, "train_epoch", fail)
    with pytest.raises(TrainError, match="out of memory on cpu with batch_size 32"):
        train(recipe, images, device="cpu", out=tmp_path)
    (folder,) = tmp_path.iterdir()
    assert load_result(folder).status == "failed"
    result = load_result(folder)
    result.settings["step"] = "captured"
    told = pytest.raises(
        TrainError, match="batch_size 32; ask for a smaller one, or for --step eager, which needs less"
    )
    with told, module._memory_explained(result, torch.device("cuda")):
        fail()


def test_another_dataset_than_the_recipes(images):
    with pytest.raises(ValueError, match="the recipe is for cifar10, the images are synthetic"):
        train(Recipe(), images, device="cpu")
