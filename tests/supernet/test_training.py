"""A supernet from the images to its folder, interrupted and taken up again."""

from pathlib import Path

import pytest
import torch
from coloured import coloured
from supernets import ENTRIES, RECIPE, images, plan
from supernets import supernet as made

from fastcifar.data import derived_seed
from fastcifar.supernet import Supernet, calibrate, load_supernet, read_record, resume_supernet, scores, train_supernet
from fastcifar.supernet.material import Material
from fastcifar.supernet.search import SearchError, trained
from fastcifar.supernet.start import start_from
from fastcifar.train import Hooks, RecordError, describe_network, train
from fastcifar.train.build import rate_factors
from fastcifar.train.record import checkpoint
from fastcifar.train.record.record import RunFolder, read_tensors
from fastcifar.train.start import read_weights
from fastcifar.train.step.precision import resolve_precision


@pytest.fixture(scope="module")
def dataset():
    return images()


def tensors(supernet):
    return [*supernet.shared.values(), *supernet.optimizer.velocities]


LABELS = pytest.param("sandwich-labels", marks=pytest.mark.slow)


@pytest.mark.parametrize("method", ["uniform", "fair", "sandwich", LABELS])
def test_it_learns(dataset, method, tmp_path):
    easy = {"train_images": 640, "logits_weight": 0.5, "cutout": 0, "shift": 0}
    wanted = plan(method=method, recipe=RECIPE.with_params(easy))
    supernet, record = train_supernet(wanted, dataset, device="cpu", out=tmp_path)
    assert record.status == "finished" and len(record.epochs) == 2
    first, last = record.epochs[0], record.epochs[-1]  # 0.40 to 0.70, and a fall of 0.30 to 0.36
    assert last.valid_acc > 0.2 and last.valid_loss < first.valid_loss - 0.15  # chance is 0.1
    material = Material(record, dataset, supernet)
    (smallest,) = scores(
        supernet, [wanted.choices.of(wanted.choices.smallest)], material.calibration(), material.valid(500)
    )
    assert smallest.accuracy > 0.2


@pytest.mark.parametrize("changes", [{"method": "fair", "rates": "sqrt"}, {"method": "sandwich"}])
def test_an_interrupted_supernet_ends_as_it_would_have(dataset, tmp_path, changes):
    wanted = plan(ENTRIES, **changes)
    whole, _ = train_supernet(wanted, dataset, device="cpu")

    def interrupt(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_supernet(wanted, dataset, device="cpu", out=tmp_path, hooks=Hooks(on_epoch=interrupt))
    (path,) = tmp_path.iterdir()
    assert read_record(path).status == "interrupted" and len(read_record(path).epochs) == 1
    with pytest.raises(RecordError, match="is interrupted, not finished"):
        load_supernet(path)
    resumed, record = resume_supernet(path, dataset)
    assert record.status == "finished" and [row.epoch for row in record.epochs] == [1, 2]
    assert all(map(torch.equal, tensors(whole), tensors(resumed)))
    loaded, _ = load_supernet(path)
    assert all(map(torch.equal, tensors(whole), tensors(loaded)))
    with pytest.raises(RecordError, match="has ended \\(finished\\); there is nothing to resume"):
        resume_supernet(path, dataset)


def test_the_seed_decides(dataset):
    runs = [train_supernet(plan(seed=seed), dataset, device="cpu")[0] for seed in (0, 0, 1)]
    assert all(map(torch.equal, tensors(runs[0]), tensors(runs[1])))
    assert not all(map(torch.equal, tensors(runs[0]), tensors(runs[2])))


@pytest.mark.parametrize("step", ["eager", "fused"])
def test_scores_are_those_of_each_network_by_itself(dataset, step):
    wanted = plan(ENTRIES)
    supernet, record = train_supernet(wanted, dataset, device="cpu", step=step)
    material = Material(record, dataset, supernet)
    calibration, valid = material.calibration(64), material.valid(600)
    recipes = [wanted.choices.of(params) for params in wanted.choices.points()][::11]
    done = []
    found = scores(supernet, recipes, calibration, valid, done.append)
    assert done == list(range(1, len(recipes) + 1))
    for recipe, score in zip(recipes, found, strict=True):
        network = supernet.frozen(recipe)
        calibrate(network, lambda x, network=network: network({"input": x}), calibration)
        logits = torch.cat([network({"input": x})["logits"].detach() for x, _ in valid])
        labels = torch.cat([labels for _, labels in valid])
        assert score.loss == pytest.approx(float(torch.nn.functional.cross_entropy(logits, labels)), abs=1e-4)
        assert score.accuracy == pytest.approx(float((logits.argmax(1) == labels).float().mean()), abs=2e-3)
    assert found == scores(supernet, recipes, calibration, valid)


def test_own_rates_stay_with_their_blocks(dataset):
    """`lr_instead` counts the tensors of the full network; a block that is skipped keeps its places."""
    full = plan(ENTRIES).choices.full
    paths = [path for path, _ in describe_network(full, 10).path_parameters()]
    rates = [0.0 if "layer1/extra" in path else 0.1 for path in paths]
    rates[paths.index("layer1/extra_1/conv/weight")] = 0.05
    wanted = plan(ENTRIES, recipe=RECIPE.with_params({"lr_instead": rates}))
    supernet, _ = train_supernet(wanted, dataset, device="cpu")
    factors = dict(zip(supernet.trained, supernet.optimizer.factors, strict=True))
    assert factors == dict(zip(paths, rates, strict=True))
    assert list(factors.values()) == rate_factors(supernet.choices.full, 10)
    start = made(ENTRIES)
    start.init(derived_seed(0, "weights"))
    moved = {path for path, weight in supernet.shared.items() if not torch.equal(weight, start.shared[path])}
    assert "layer1/extra_1/conv/weight" in moved and "layer2/conv/weight" in moved
    assert not moved & {"layer1/extra/conv/weight", "layer1/extra/bn/bias", "layer1/extra_1/bn/weight"}


def test_it_starts_from_the_weights_of_a_run(dataset, tmp_path):
    small = RECIPE.with_params({"layer1": 4, "total_epoch": 1})
    run = train(small, dataset, 5, device="cpu", out=tmp_path / "runs")
    frozen = plan(recipe=RECIPE.with_params({"peak_lr": 1e-12}))
    supernet, _ = train_supernet(frozen, dataset, device="cpu", init=run.path)
    member = supernet.frozen(small)
    saved = read_weights(run.path)
    for path, weight in member.path_parameters():
        node, _, name = path.rpartition("/")
        torch.testing.assert_close(weight.detach(), saved[f"{node.replace('/', '_')}.{name}"], rtol=1e-5, atol=1e-6)

    large = train(RECIPE.with_params({"layer2": 16, "total_epoch": 1}), dataset, device="cpu", out=tmp_path / "runs")
    with pytest.raises(RecordError, match=r"layer2_\S+: a part of shape \(16,.* cannot be taken from one of shape \(8"):
        train_supernet(plan(), dataset, device="cpu", init=large.path)
    other = RECIPE.with_params({"extra_layers.prep": 1, "total_epoch": 1})
    extra = train(other, dataset, device="cpu", out=tmp_path / "runs")
    with pytest.raises(RecordError, match=r"the supernet has no prep_extra_(conv|bn)\.\w+ for its weights"):
        train_supernet(plan(), dataset, device="cpu", init=extra.path)
    with pytest.raises(RecordError, match="there are no weights"):
        train_supernet(plan(), dataset, device="cpu", init=tmp_path / "nowhere")


def test_it_starts_from_another_supernet(dataset, tmp_path):
    """One choice after the other: depth first, then widths."""
    before, record = train_supernet(plan(ENTRIES, vary=("depth",)), dataset, device="cpu", out=tmp_path)
    still = plan(ENTRIES, recipe=RECIPE.with_params({"peak_lr": 1e-12}))
    after, _ = train_supernet(still, dataset, device="cpu", init=record.path)
    for path, weight in before.shared.items():
        torch.testing.assert_close(after.shared[path], weight, rtol=1e-5, atol=1e-6)
    hundred = plan(ENTRIES, recipe=RECIPE.with_params({"dataset": "synthetic100"}))
    with pytest.raises(RecordError, match="its networks tell 10 classes apart, the supernet's 100"):
        start_from(made_of(hundred), record.path)


def test_one_that_has_diverged_is_no_supernet(dataset, tmp_path):
    wanted = plan(recipe=RECIPE.with_params({"peak_lr": 1e9}))
    _, record = train_supernet(wanted, dataset, device="cpu", out=tmp_path)
    assert record.status == "diverged"
    with pytest.raises(RecordError, match="the supernet has diverged"):
        load_supernet(record.path)
    with pytest.raises(SearchError, match="begin anew with a lower --set peak_lr="):
        trained(wanted, dataset, "cpu", tmp_path, Path(record.path).name, Hooks(), lambda record: None)
    with pytest.raises(ValueError, match="is of another space or recipe than the search"):
        trained(plan(seed=1), dataset, "cpu", tmp_path, Path(record.path).name, Hooks(), lambda record: None)


def made_of(wanted):
    formats = resolve_precision("O0", torch.device("cpu"))
    return Supernet(wanted.choices, 100, torch.device("cpu"), formats, "eager")


def test_one_that_was_trained_elsewhere_is_loaded_in_fp32(dataset, tmp_path):
    """A GPU's, in its formats: here the record and the checkpoint are made to look like that."""
    wanted = plan(recipe=RECIPE.with_params({"precision": "O2"}))
    trained, record = train_supernet(wanted, dataset, device="cpu", out=tmp_path)
    folder = RunFolder(Path(record.path))
    tensors, metadata = read_tensors(folder.path / checkpoint.FILE)
    low = {name: t.half() if t.dtype == torch.bfloat16 else t for name, t in tensors.items()}
    folder.save_tensors(checkpoint.FILE, low, metadata)
    document = record.to_dict()
    document["settings"]["device"] = "cuda:0"
    folder.write_json(document, "supernet.json")
    loaded, found = load_supernet(record.path, None if not torch.cuda.is_available() else "cpu")
    assert found.settings["device"] == "cpu" and found.precision == "O0"
    masters = dict(zip(trained.trained, trained.optimizer.weights, strict=True))
    for path, weight in loaded.shared.items():
        assert weight.dtype == torch.float32
        torch.testing.assert_close(weight.detach(), masters[path])


def test_a_kill_between_the_last_epoch_and_the_end_loses_nothing(dataset, tmp_path):
    def kill(record):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_supernet(
            plan(),
            dataset,
            device="cpu",
            out=tmp_path,
            hooks=Hooks(on_epoch=lambda r: kill(r) if r.epoch == 2 else None),
        )
    (path,) = tmp_path.iterdir()
    _, record = resume_supernet(path, dataset)
    assert record.status == "finished" and record.times.train > 0 and len(record.epochs) == 2


def test_other_images_are_refused(dataset, tmp_path):
    with pytest.raises(ValueError, match="dataset: the recipe is for cifar10, the images are synthetic"):
        train_supernet(plan(recipe=RECIPE.with_params({"dataset": "cifar10"})), dataset, device="cpu")
    _, record = train_supernet(plan(), dataset, device="cpu", out=tmp_path / "runs")
    supernet, record = load_supernet(record.path)
    with pytest.raises(ValueError, match=r"images of fingerprint .*, these have"):
        Material(record, coloured(5700, 10, seed=1), supernet)
    with pytest.raises(RecordError, match=r"is no supernet: supernet\.json cannot be read"):
        read_record(tmp_path)


def test_a_damaged_or_strange_checkpoint_is_refused(dataset, tmp_path):
    records = [train_supernet(plan(seed=seed), dataset, device="cpu", out=tmp_path)[1] for seed in (0, 1)]
    mine, other = (Path(record.path) / checkpoint.FILE for record in records)
    whole = mine.read_bytes()
    mine.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    for use in (load_supernet, lambda path: train_supernet(plan(), dataset, device="cpu", init=path)):
        with pytest.raises(RecordError, match=r"checkpoint\.safetensors: damaged: its content has another checksum"):
            use(mine.parent)
    mine.write_bytes(other.read_bytes())
    for use in (load_supernet, lambda path: train_supernet(plan(), dataset, device="cpu", init=path)):
        with pytest.raises(RecordError, match=r"it is of another run: its seed is 1, and 0 here"):
            use(mine.parent)
