"""A trained network out of its folder says what the record says."""

import copy
import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from fastcifar.data import Batches, Split, statistics
from fastcifar.net import Network
from fastcifar.train import (
    RecordError,
    TrainedNetwork,
    describe_network,
    load_network,
    load_result,
    train,
)
from fastcifar.train.record.record import RunFolder

SPEEDNET = {  # whitened, with GELU and views
    **{"network": "speednet", "prep": 64, "layer1": 8, "layer2": 16, "layer3": 16, "logits_weight": 1 / 16},
    **{"whiten": 2, "whiten_images": 100, "activation": "gelu", "pool_first": True, "tta": "six"},
}
UNSURE = SPEEDNET | {"tta": "six-unsure", "tta_share": 0.3}


@pytest.fixture
def short(recipe):
    return recipe.with_params({"total_epoch": 1, "train_images": 320, "layer3": 16})


@pytest.fixture
def run(short, images, tmp_path):
    return train(short.with_params({"precision": "O0"}), images, device="cpu", out=tmp_path)


@pytest.mark.parametrize("step", ["eager", "fused"])
@pytest.mark.parametrize("precision", ["O0", "O1", "O2", "half"])
def test_its_accuracy_is_the_records(short, images, tmp_path, precision, step):
    recipe = short.with_params({"precision": precision})
    result = train(recipe, images, device="cpu", step=step, out=tmp_path)
    network = load_network(result)
    assert network.step == step and network.precision.name == precision and not network.training
    assert network.accuracy(images.test) == result.valid_acc
    assert load_network(result.path).accuracy(images.test) == result.valid_acc
    assert load_network(result.id, out=tmp_path).accuracy(images.test) == result.valid_acc


@pytest.mark.parametrize(
    ("precision", "step", "more"), [("O0", "fused", SPEEDNET), ("O2", "fused", UNSURE), ("half", "eager", SPEEDNET)]
)
def test_over_views(short, images, tmp_path, precision, step, more):
    recipe = short.with_params({"precision": precision, **more})
    result = train(recipe, images, device="cpu", step=step, out=tmp_path, report_test=True)
    network = load_network(result)
    assert network.accuracy(images.test) == result.valid_acc
    assert network.accuracy(images.test, views=recipe.tta) == result.tta_acc == result.test_acc


def test_its_logits_are_the_networks_own_on_normalised_images(run, images):
    network = load_network(run)
    assert (network.mean, network.std) == statistics(images)
    logits = network.predict(images.test.images)
    assert logits.shape == (200, 10) and logits.dtype == torch.float32
    batches = Batches(images.test, batch_size=200, mean=network.mean, std=network.std)
    ((normalised, labels),) = batches
    own = network({"input": normalised})["logits"]
    torch.testing.assert_close(logits, own)
    assert float((own.argmax(1) == labels).float().mean()) == pytest.approx(run.valid_acc)
    for form in (torch.from_numpy(images.test.images), images.test.images[::-1][::-1]):
        assert torch.equal(network.predict(form), logits)
    assert network.predict(images.test.images[:0]).shape == (0, 10)


def test_predict_does_not_train(run, images):
    network = load_network(run).train()
    before = copy.deepcopy(network.state_dict())
    network.predict(images.test.images)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_copy_and_a_file_have_weights_of_their_own(run, images):
    network = load_network(run)
    logits = network.predict(images.test.images)
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.linear.weight.zero_()
    assert not other.predict(images.test.images).any()
    assert torch.equal(network.predict(images.test.images), logits)
    file = io.BytesIO()
    torch.save(network, file)
    file.seek(0)
    again = torch.load(file, weights_only=False)
    assert torch.equal(again.predict(images.test.images), logits)


def test_another_precision_and_step_can_be_asked_for(short, images, tmp_path):
    result = train(short.with_params({"precision": "O2"}), images, device="cpu", step="fused", out=tmp_path)
    network = load_network(result, precision="O0", step="eager")
    assert network.linear.weight.dtype == torch.float32 and network.step == "eager"
    assert network.accuracy(images.test) == pytest.approx(result.valid_acc, abs=0.05)
    with pytest.raises(ValueError, match="precision: 'O4' is not known"):
        load_network(result, precision="O4")
    with pytest.raises(ValueError, match="step: 'fuse' is not known"):
        load_network(result, step="fuse")


def test_a_run_of_another_kind_of_device_is_loaded_in_fp32(short, images, tmp_path):
    result = train(short.with_params({"precision": "half"}), images, device="cpu", out=tmp_path)
    result.settings["device"] = "cuda:3"
    network = load_network(result)
    assert network.device.type == "cpu" and network.precision.name == "O0"
    assert network.accuracy(images.test) == pytest.approx(result.valid_acc, abs=0.05)


def test_a_run_that_did_not_record_its_normalisation(run, images, monkeypatch):
    for name in ("mean", "std"):
        del run.dataset[name]
    monkeypatch.setattr("fastcifar.train.loading.load", lambda name: images)
    assert load_network(run).accuracy(images.test) == run.valid_acc
    monkeypatch.setattr("fastcifar.train.loading.load", lambda name: replace(images, fingerprint="another"))
    with pytest.raises(RecordError, match="does not say how its images were normalised"):
        load_network(run)
    run.dataset["name"] = "cifar10"
    assert load_network(run).mean == (125.31, 122.95, 113.87)


def test_what_cannot_be_loaded(short, run, images, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no run nowhere, neither here nor under runs"):
        load_network("nowhere")
    with pytest.raises(RecordError, match=r"is no run: run\.json cannot be read"):
        load_network(tmp_path)
    with pytest.raises(ValueError, match="this result has no weights on disk"):
        load_network(train(short, images, device="cpu"))
    (RunFolder(tmp_path / run.id).path / "weights.safetensors").unlink()
    with pytest.raises(RecordError, match=r"the run is finished, and has no weights\.safetensors"):
        load_network(run)


def test_images_that_are_no_pixels(run, images):
    network, pixels = load_network(run), images.test.images
    for wrong in (pixels[0], pixels.astype(np.float32), pixels.transpose(0, 3, 1, 2), pixels[:, :28, :28]):
        with pytest.raises(ValueError, match=r"uint8 pixels of shape \(N, 32, 32, 3\) are needed"):
            network.predict(wrong)
    with pytest.raises(ValueError, match="views: 'sixty' is not known"):
        network.predict(pixels, views="sixty")
    with pytest.raises(ValueError, match="split: there is no image in it"):
        network.accuracy(Split(images=pixels[:0], labels=images.test.labels[:0]))


def test_the_record_keeps_the_normalisation(run, images):
    mean, std = statistics(images)
    assert load_result(run.path).dataset == run.dataset
    assert run.dataset["mean"] == list(mean) and run.dataset["std"] == list(std)


def test_a_network_without_memory_takes_no_weights(run, recwarn):
    network = describe_network(run.recipe, 10)
    weights = load_network(run).state_dict()
    with pytest.raises(ValueError, match=r"no memory for weights .*load_network\(run\) gives a trained one"):
        network.load_state_dict(weights)
    assert not recwarn.list
    network.load_state_dict(weights, assign=True)  # torch's way to give it the tensors themselves
    assert torch.equal(network.linear.weight, weights["linear.weight"])


def test_it_is_a_network_as_any_other(run):
    network = load_network(run)
    assert isinstance(network, TrainedNetwork) and isinstance(network, Network)
    assert [*network.state_dict()] == [*describe_network(run.recipe, 10).state_dict()]
