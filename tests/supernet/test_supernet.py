"""The networks of a supernet against their layers written out, and what a step leaves alone."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from supernets import ENTRIES, LEFT_OUT, LONGER, RECIPE, WIDTHS, batch, reference, supernet

from fastcifar.net import BatchNorm, Network, count_flops, run_graph
from fastcifar.search import Space
from fastcifar.supernet import Choices, Supernet, calibrate, freeze
from fastcifar.supernet.predict.ranking import costs_of
from fastcifar.supernet.slices import part
from fastcifar.supernet.update import Change, all_at_once, gradients, one_by_one, update
from fastcifar.train.optim.sgd import nesterov_step
from fastcifar.train.step.precision import resolve_precision


def weights_of(made):
    return {path: weight.detach().clone() for path, weight in made.shared.items()}


def spread_weights(made, seed=3):
    """Batch norms that do not look alike."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for path, weight in made.shared.items():
            if "/bn/" in path:
                weight.add_(0.3 * torch.randn(weight.shape, generator=generator))


SPACES = pytest.mark.parametrize(
    ("entries", "recipe"), [(ENTRIES, RECIPE), (LEFT_OUT, LONGER)], ids=["all", "left out"]
)


@SPACES
@pytest.mark.parametrize("step", ["eager", "fused"])
def test_every_point_computes_its_part(entries, recipe, step):
    made = supernet(entries, step=step, recipe=recipe)
    spread_weights(made)
    images, _ = batch()
    for params in made.choices.points():
        expected = reference(weights_of(made), made.choices.of(params), images)
        torch.testing.assert_close(made(images, params).detach(), expected, rtol=1e-5, atol=1e-5)


def test_gradients_reach_the_part_and_nothing_else():
    made = supernet(precision="double")  # in which no activation lies on the other side of a kink
    images, labels = batch()
    images = images.double()
    for params in list(made.choices.points())[::7]:
        recipe = made.choices.of(params)
        leaves = {path: weight.requires_grad_() for path, weight in weights_of(made).items()}
        F.cross_entropy(reference(leaves, recipe, images), labels, reduction="sum").backward()
        member = made.member(recipe)
        gradients(made, [member], images, labels, 0.0, False)
        for path, leaf in leaves.items():
            if path not in member.parts:
                assert leaf.grad is None
                continue
            whole = torch.zeros_like(leaf)
            whole[member.parts[path]] = member.gradient(path)
            torch.testing.assert_close(whole, leaf.grad)


@SPACES
@pytest.mark.parametrize(
    ("step", "every"),
    [
        ("eager", 7),
        ("fused", 7),
        *(pytest.param(*all_of, marks=pytest.mark.slow) for all_of in (("eager", 1), ("fused", 5))),
    ],
)
def test_frozen_is_the_slice_in_training_and_evaluation(entries, recipe, step, every):
    made = supernet(entries, step=step, recipe=recipe)
    spread_weights(made)
    images, _ = batch(32)
    points = list(made.choices.points())
    some = points[::every] if len(points) > 20 else points
    assert all({repr(one[key]) for one in some} == set(map(repr, made.choices.values[key])) for key in points[0])
    for params in some:
        recipe = made.choices.of(params)
        frozen = made.frozen(recipe)
        assert isinstance(frozen, Network)
        sliced = made.member(recipe)
        for network in (frozen, sliced.network):
            calibrate(network, lambda x, network=network: network({"input": x}), [images[:16], images[16:]])
        logits = [run_graph(network.graph, {"input": images})["logits"] for network in (frozen, sliced.network)]
        torch.testing.assert_close(*logits, rtol=1e-5, atol=1e-5)
        _, taken_out = freeze(made, params, [images[:16], images[16:]])
        torch.testing.assert_close(taken_out({"input": images})["logits"], logits[1], rtol=1e-5, atol=1e-5)
        frozen.train()
        sliced.network.train()
        torch.testing.assert_close(frozen({"input": images})["logits"], sliced.forward(images), rtol=1e-5, atol=1e-5)


def test_calibration_is_over_all_batches_together():
    made = supernet(WIDTHS)
    network = made.frozen(made.choices.full)
    batches = [batch(16, seed)[0] for seed in range(3)]
    calibrate(network, lambda x: network({"input": x}), batches)
    values = network({"input": torch.cat(batches)})["prep/conv"]  # no batch norm comes before it
    mean, variance = values.mean((0, 2, 3)), values.var((0, 2, 3))
    torch.testing.assert_close(network.prep_bn.running_mean, mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(network.prep_bn.running_var, variance, rtol=1e-4, atol=1e-5)
    assert network.prep_bn.momentum == 0.1 and not network.training


def test_calibration_leaves_the_others_alone():
    made = supernet()
    recipes = [made.choices.of(params) for params in made.choices.points()][:6]
    before = weights_of(made)
    statistics = [_statistics(made.member(recipe).network) for recipe in recipes]
    frozen = made.frozen(recipes[0])
    calibrate(frozen, lambda x: frozen({"input": x}), [batch()[0]])
    assert all(torch.equal(before[path], weight) for path, weight in made.shared.items())
    for recipe, kept in zip(recipes, statistics, strict=True):
        assert all(map(torch.equal, kept, _statistics(made.member(recipe).network)))
    assert not all(map(torch.equal, statistics[0], _statistics(frozen)))


def _statistics(network):
    return [b.clone() for m in network.modules() if isinstance(m, BatchNorm) for b in (m.running_mean, m.running_var)]


@SPACES
@pytest.mark.parametrize("precision", ["O0", "O2"])
def test_what_a_network_has_not_keeps_value_and_velocity(entries, recipe, precision):
    made = supernet(entries, precision=precision, recipe=recipe)
    optimizer = made.optimizer
    images, labels = batch()
    images = images.to(made.state.precision.images)
    points = list(made.choices.points())
    for params in (made.choices.largest, points[0], points[len(points) // 7]):  # the first leaves velocities everywhere
        member = made.member(made.choices.of(params))
        inside = {path: torch.zeros(weight.shape, dtype=torch.bool) for path, weight in made.shared.items()}
        for path, where in member.parts.items():
            inside[path][where] = True
        before = [[t.clone() for t in tensors] for tensors in (optimizer.weights, optimizer.velocities)]
        low = weights_of(made)
        gradients(made, [member], images, labels, 0.0, False)
        update(made, [member], 0.01, None)
        changed = 0
        for index, path in enumerate(made.trained):
            outside = ~inside[path]
            for old, new in zip(before, (optimizer.weights, optimizer.velocities), strict=True):
                assert torch.equal(old[index][outside], new[index][outside])
                changed += int((old[index] != new[index]).sum())
            assert torch.equal(low[path][outside], made.shared[path][outside])
        assert changed > 100


def test_a_step_is_that_of_the_network_by_itself():
    made = supernet(WIDTHS)
    images, labels = batch()
    params = {"prep": 8, "layer1": 4, "layer2": 8, "layer3": 4}
    recipe = made.choices.of(params)
    alone = made.frozen(recipe).train()
    for _ in range(2):
        F.cross_entropy(alone({"input": images})["logits"], labels, reduction="sum").backward()
        member = made.member(recipe)
        gradients(made, [member], images, labels, 0.0, False)
        update(made, [member], 0.02, None)
        with torch.no_grad():
            for weight in alone.parameters():
                weight.velocity = getattr(weight, "velocity", torch.zeros_like(weight))
                decay = RECIPE.base_wd * RECIPE.batch_size
                nesterov_step(weight, weight.grad, weight.velocity, lr=0.02, weight_decay=decay, momentum=0.9)
                weight.grad = None
    for path, weight in alone.path_parameters():
        part = made.shared[path][member.parts[path]]
        torch.testing.assert_close(part.detach(), weight.detach(), rtol=1e-4, atol=1e-5)


def test_of_several_networks_each_weight_takes_the_mean_of_those_that_have_it():
    made = supernet(WIDTHS)
    images, labels = batch()
    recipes = [made.choices.full, made.choices.of(made.choices.smallest)]
    members = [made.member(recipe) for recipe in recipes]
    before = weights_of(made)
    gradients(made, members, images, labels, 0.0, False)
    full, small = (member.gradient("layer1/conv/weight").clone() for member in members)
    update(made, members, 0.01, None)
    expected = full.clone()
    expected[:4, :4] = (full[:4, :4] + small) / 2
    expected += RECIPE.base_wd * RECIPE.batch_size * before["layer1/conv/weight"]
    step = (made.shared["layer1/conv/weight"] - before["layer1/conv/weight"]).detach()
    torch.testing.assert_close(step, -0.01 * 1.9 * expected, rtol=1e-4, atol=1e-6)


def test_distillation_teaches_what_the_first_says():
    made = supernet(WIDTHS)
    images, labels = batch()
    members = [made.member(made.choices.full), made.member(made.choices.of(made.choices.smallest))]
    logits, _ = gradients(made, members, images, labels, 0.0, True)
    leaf = made.frozen(made.choices.of(made.choices.smallest)).train()
    says = leaf({"input": images})["logits"].log_softmax(1)
    F.kl_div(says, logits.softmax(1), reduction="sum").backward()
    torch.testing.assert_close(
        members[1].gradient("prep/conv/weight"), leaf.prep_conv.weight.grad, rtol=1e-4, atol=1e-5
    )


def test_no_gradient_is_kept_after_a_step():
    made = supernet(WIDTHS)
    images, labels = batch()
    members = [made.member(made.choices.full)]
    gradients(made, members, images, labels, 0.0, False)
    update(made, members, 0.01, None)
    assert all(weight.grad is None for weight in members[0].network.parameters())


def test_what_a_point_is_said_to_cost_is_what_its_network_has():
    made = supernet()
    for params in list(made.choices.points())[::5]:
        frozen = made.frozen(made.choices.of(params))
        flops, parameters, seconds = costs_of(made.choices, 0.5)(params)
        assert flops == count_flops(frozen) and parameters == sum(weight.numel() for weight in frozen.parameters())
        assert seconds == 0.5 * flops


def test_a_residual_or_extra_block_is_left_out_and_its_successor_wired_past_it():
    made = supernet()
    params = {**made.choices.smallest, "res_layers": []}
    graph = made.member(made.choices.of(params)).network.graph
    assert not [path for path in graph if "residual" in path or "extra" in path]
    assert graph["layer2/conv"][1] == ["layer1/pool"]


def test_a_loss_that_has_to_be_scaled_is_refused():
    from dataclasses import replace

    from fastcifar.supernet import Supernet

    made = supernet(WIDTHS)
    with pytest.raises(ValueError, match="precision: a supernet's loss is not scaled, as O0"):
        Supernet(made.choices, 10, made.device, replace(made.state.precision, scale_loss=True), "eager")
    with pytest.raises(ValueError, match="step: a supernet runs eager or fused, not 'compiled'"):
        Supernet(made.choices, 10, made.device, made.state.precision, "compiled")


def test_a_scaled_loss_changes_no_update():
    """As `half` on a GPU has it: SGD divides by the scale, a power of two."""
    weights = []
    for scale in (1.0, 64.0):
        formats = dataclasses.replace(resolve_precision("O0", torch.device("cpu")), loss_scale=scale)
        made = Supernet(Choices(RECIPE, Space.from_dict(WIDTHS)), 10, torch.device("cpu"), formats, "eager")
        made.init(0)
        members = [made.member(made.choices.of(dict.fromkeys(WIDTHS, width))) for width in (8, 4)]
        gradients(made, members, *batch(), 0.1, distil=True)
        update(made, members, 1e-3, None)
        weights.append([weight.clone() for weight in made.state.weights])
    assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))


@pytest.mark.parametrize("rates", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_all_at_once_is_one_by_one(rates, dtype):
    """Of parts of tensors, which lie apart in memory."""
    generator, found = torch.Generator().manual_seed(0), []
    shapes = [((8, 6, 3, 3), (5, 4, 3, 3)), ((8,), (5,)), ((8, 8, 1, 1), (8, 3, 1, 1)), ((10, 8), (10, 5))]
    whole = [[torch.randn(shape, generator=generator) for shape, _ in shapes] for _ in range(2)]
    slopes = [torch.randn(small, generator=generator) for _, small in shapes]
    scales = [torch.rand(small, generator=generator) for _, small in shapes]
    for make in (one_by_one, all_at_once):
        weights, velocities = ([tensor.to(dtype, copy=True) for tensor in tensors] for tensors in whole)
        weights[0] = weights[0].contiguous(memory_format=torch.channels_last)
        changes = [
            Change(
                weight=weights[i][part(shape, small)],
                gradient=slopes[i].to(dtype),
                velocity=velocities[i][part(shape, small)],
                lr=0.1 * scales[i] if rates else (0.1, 0.1, 0.2, 0.1)[i],
                weight_decay=0.5 if i == 1 else 0.1,
            )
            for i, (shape, small) in enumerate(shapes)
        ]
        make(changes, 0.9)
        found.append([*weights, *velocities])
    for plain, together, before in zip(*found, whole[0] + whole[1], strict=True):
        torch.testing.assert_close(together, plain, rtol=1e-6, atol=1e-6 if dtype == torch.float32 else 4e-3)
        assert not torch.equal(plain, before.to(dtype))
