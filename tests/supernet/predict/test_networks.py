"""The table of networks: what each costs, within limits; and what is taken out."""

import json
from importlib import import_module

import numpy as np
import onnxruntime
import pytest
import torch
from supernets import ENTRIES, RECIPE, WIDTHS, batch, images, plan, supernet

from fastcifar.net import count_flops
from fastcifar.supernet import Limits, Material, export, freeze, networks, train_supernet
from fastcifar.train import Recipe, RecordError, describe_network, train
from fastcifar.train.build import rate_factors


@pytest.fixture(scope="module")
def dataset():
    return images()


@pytest.fixture(scope="module", autouse=True)
def few_to_calibrate():
    """The statistics of each network on 64 images instead of 512, on which most of the time is spent."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Material.calibration, "__defaults__", (64,))
        yield


@pytest.fixture(scope="module")
def made(dataset):
    wanted = plan()
    shared, record = train_supernet(wanted, dataset, device="cpu")
    return shared, record, Material(record, dataset, shared)


def test_all_networks_with_their_costs(made):
    table = networks(*made, images=100)
    assert len(table) == 16 and table["loss"].is_monotonic_increasing
    for row in table.head(4).to_dict("records"):
        recipe = RECIPE.with_params({key: row[key] for key in WIDTHS})
        assert row["flops"] == count_flops(describe_network(recipe, 10))
        assert row["parameters"] == sum(weight.numel() for weight in describe_network(recipe, 10).parameters())
    np.testing.assert_allclose(table["seconds"] / table["flops"], table["seconds"][0] / table["flops"][0])
    assert networks(*made, images=100).equals(table)  # the same weights and images, the same ranking


def test_no_network_beyond_a_limit(made):
    table = networks(*made, images=50)
    for cost in ("flops", "parameters", "seconds"):
        most = float(table[cost].median())
        some = networks(*made, images=50, limits=Limits(**{cost: most}))
        assert some[cost].max() <= most and len(some) == (table[cost] <= most).sum()
    with pytest.raises(ValueError, match=f"within the limits; the smallest have {int(table.flops.min()):,} flops, "):
        networks(*made, limits=Limits(flops=10))
    with pytest.raises(ValueError, match=r"--images: 1 to 5,000 of the holdout, not 0"):
        networks(*made, images=0)


def test_a_sample_is_drawn_within_the_limits(made):
    least = float(networks(*made, images=50)["flops"].min())
    assert len(networks(*made, images=50, sample=10)) == 10
    assert len(networks(*made, images=50, sample=2, limits=Limits(flops=least))) == 1


def test_a_large_space_is_searched_by_evolution(dataset, monkeypatch):
    """It looks at a part of it, comes to better ones than are drawn, and never beyond a limit."""
    room = import_module("fastcifar.supernet.predict.ranking")  # the front door has a function of that name
    wanted = plan(ENTRIES)
    shared, record = train_supernet(wanted, dataset, device="cpu")
    material = Material(record, dataset, shared)
    everything = networks(shared, record, material, images=50)
    assert len(everything) == 120
    monkeypatch.setattr(room, "ALL", 40)
    monkeypatch.setattr(room, "GENERATION", 4)
    most = float(everything["flops"].quantile(0.7))
    some = networks(shared, record, material, images=50, limits=Limits(flops=most))
    assert len(some) == 40 and some["flops"].max() <= most
    assert len(some.drop(columns=["loss", "accuracy"]).astype(str).drop_duplicates()) == 40
    assert set(some["loss"]) <= set(everything["loss"])  # the same scores as where all are looked at


def test_evolution_comes_to_better_networks_than_are_drawn(monkeypatch):
    """The best 5 of 40 networks, on a loss that is a sum over the choices: less than half as far from the best 5."""
    room = import_module("fastcifar.supernet.predict.ranking")
    monkeypatch.setattr(room, "ALL", 40)
    monkeypatch.setattr(room, "GENERATION", 4)
    choices = plan(ENTRIES).choices

    def loss(point):
        return sum(
            (1 + place) * abs(values.index(point[key]) - 0.3)
            for place, (key, values) in enumerate(choices.values.items())
        )

    def scored(points, before):
        return [{**point, "loss": loss(point)} for point in points]

    def of_best(losses):
        return np.mean(sorted(losses)[:5])

    every = [loss(point) for point in choices.points()]
    evolved = [
        of_best([row["loss"] for row in room._evolved(choices, choices.counts, scored, seed)]) for seed in range(20)
    ]
    drawn = [of_best(np.random.default_rng(seed).permutation(every)[:40]) for seed in range(20)]
    assert np.mean(evolved) < np.mean(drawn) - (np.mean(drawn) - of_best(every)) / 2


def test_limits_that_leave_too_few_networks_of_a_large_space(monkeypatch):
    room = import_module("fastcifar.supernet.predict.ranking")
    choices = plan(ENTRIES).choices
    costs = room.costs_of(choices, 0.0)
    every = sorted(costs(point)[0] for point in choices.points())
    for large in (False, True):
        monkeypatch.setattr(room, "ALL", 10 if large else 1024)
        room.check_limits(choices, Limits(flops=every[4]), costs, 5)
        with pytest.raises(ValueError, match="5 networks of the space within the limits, where 6 are needed"):
            room.check_limits(choices, Limits(flops=every[4]), costs, 6)
        with pytest.raises(ValueError, match=f"no network .* the smallest have {every[0]:,} flops"):
            room.check_limits(choices, Limits(flops=every[0] - 1), costs)


def test_networks_that_stand_for_all_within_the_limits(monkeypatch):
    room = import_module("fastcifar.supernet.predict.ranking")
    choices = plan(ENTRIES).choices
    costs = room.costs_of(choices, 0.0)
    every = sorted(costs(point)[0] for point in choices.points())
    assert sorted(costs(point)[0] for point in room.typical(choices, Limits(), costs)) == every
    few = Limits(flops=every[20])
    assert sorted(costs(point)[0] for point in room.typical(choices, few, costs)) == [
        cost for cost in every if cost <= every[20]
    ]
    monkeypatch.setattr(room, "ALL", 10)
    monkeypatch.setattr(room, "DRAWN", 3)
    some = [costs(point)[0] for point in room.typical(choices, Limits(), costs)]
    assert len(some) == 4 and max(some) == every[-1]
    assert all(costs(point)[0] <= every[20] for point in room.typical(choices, few, costs))
    assert costs(room.typical(choices, Limits(flops=every[0]), costs)[0])[0] == every[0]  # which is hardly ever drawn


def test_the_smallest_of_a_large_space_whose_lists_are_equally_long(monkeypatch):
    room = import_module("fastcifar.supernet.predict.ranking")
    pairs = {"res_layers": {"_type": "choice", "_value": [["layer1"], ["layer3"]]}}
    choices = plan(WIDTHS | pairs).choices
    costs = room.costs_of(choices, 0.0)
    every = sorted((costs(point)[0], point["res_layers"]) for point in choices.points())
    assert every[0][1] == ["layer3"]
    monkeypatch.setattr(room, "ALL", 10)
    room.check_limits(choices, Limits(flops=every[0][0]), costs)
    with pytest.raises(ValueError, match=f"the smallest have {every[0][0]:,} flops"):
        room.check_limits(choices, Limits(flops=every[0][0] - 1), costs)


def test_networks_that_are_hardly_ever_drawn_are_come_to_from_those_that_are_known(monkeypatch):
    monkeypatch.setattr("fastcifar.search.searcher.PATIENCE", 20)
    monkeypatch.setattr("fastcifar.search.searcher.MAX_POINTS", 10)
    room = import_module("fastcifar.supernet.predict.ranking")
    choices = plan(ENTRIES).choices
    costs = room.costs_of(choices, 0.0)
    limits = Limits(flops=sorted(costs(point)[0] for point in choices.points())[9])

    def allowed(point):
        return choices.counts(point) and limits.allow(costs(point))

    def scored(points, before):
        return [{**point, "loss": costs(point)[1]} for point in points]

    known, found = room._some_within(choices, limits, costs, 3), []
    for seed in range(5):
        rows = room._evolved(choices, allowed, scored, seed, known)
        points = [{key: row[key] for key in choices.values} for row in rows]
        assert all(map(allowed, points)) and all(point in points for point in known)
        assert len(set(map(str, points))) == len(points)
        found.append(len(points))
    assert np.mean(found) > 4


def test_frozen_files_need_no_supernet(made, tmp_path):
    shared, _, material = made
    params = {"prep": 4, "layer1": 8, "layer2": 4, "layer3": 8}
    recipe, network = freeze(shared, params, material.calibration())
    names = [path.name for path in export(recipe, network, tmp_path / "net")]
    assert {"recipe.json", "weights.safetensors", "network.dot", "model.onnx"} <= set(names)
    x, _ = batch(5)
    expected = network({"input": x})["logits"].detach()
    session = onnxruntime.InferenceSession(tmp_path / "net" / "model.onnx")
    np.testing.assert_allclose(session.run(None, {"images": x.numpy()})[0], expected, atol=1e-5)
    assert Recipe.from_dict(json.loads((tmp_path / "net" / "recipe.json").read_text())) == recipe
    assert (recipe.layer1, recipe.layer2) == (8, 4)


def test_training_goes_on_from_what_was_taken_out(made, dataset, tmp_path):
    shared, _, material = made
    recipe, network = freeze(shared, shared.choices.largest, material.calibration())
    export(recipe, network, tmp_path / "net")
    still = recipe.with_params({"peak_lr": 1e-12, "bn_momentum": 1e-6, "total_epoch": 1})
    result = train(still, dataset, device="cpu", split="holdout", init=tmp_path / "net")
    (x, labels) = zip(*material.valid(), strict=True)
    logits = network({"input": torch.cat(x)})["logits"]
    assert result.valid_acc == pytest.approx(float((logits.argmax(1) == torch.cat(labels)).float().mean()), abs=2e-3)
    afresh = train(still, dataset, device="cpu", split="holdout")
    assert afresh.valid_acc != result.valid_acc
    other = still.with_params({"layer3": 4})
    message = r"another network: layer3_conv\.weight is of shape \(8, 8, 3, 3\), but of shape \(4, 8, 3, 3\) in this"
    with pytest.raises(RecordError, match=message):
        train(other, dataset, device="cpu", init=tmp_path / "net")
    with pytest.raises(RecordError, match=r"there are no weights \(weights\.safetensors\) to start from"):
        train(still, dataset, device="cpu", init=tmp_path)


@pytest.mark.parametrize("precision", ["O0", "O1", "O2", "half", "O3"])
def test_a_network_is_taken_out_in_every_format(precision):
    made = supernet(WIDTHS, precision=precision)
    images, _ = batch(16)
    _, network = freeze(made, made.choices.largest, [images.to(made.state.precision.images)])
    assert network({"input": images})["logits"].dtype == torch.float32
    assert torch.isfinite(network({"input": images})["logits"]).all()


def test_own_rates_of_a_frozen_recipe_are_those_of_its_parts():
    full = supernet(ENTRIES).choices.full
    paths = [path for path, _ in describe_network(full, 10).path_parameters()]
    rates = [0.01 * (i + 1) for i in range(len(paths))]
    recipe = RECIPE.with_params({"lr_instead": rates, "lr_scale": {"layer1/extra": 2.0, "layer2": 3.0}})
    made = supernet(ENTRIES, recipe=recipe)
    smallest, network = freeze(made, {**made.choices.smallest, "res_layers": ["layer3"]}, [batch()[0]])
    assert dict(smallest.lr_scale) == {"layer2": 3.0}
    mine = [path for path, _ in network.path_parameters()]
    wanted = [rates[paths.index(path)] * (3 if path.startswith("layer2") else 1) for path in mine]
    assert rate_factors(smallest, 10) == pytest.approx(wanted)
