"""All techniques of the speedruns together."""

import dataclasses

import pytest
import torch
from safetensors.torch import load_file
from trainings import SPEEDRUN, figures

from fastcifar.data import Batches, Split, statistics
from fastcifar.train import train
from fastcifar.train.build import build_state, init_weights
from fastcifar.train.session import Session
from fastcifar.train.step.precision import resolve_precision
from fastcifar.train.whiten import whitening_filters


@pytest.mark.slow  # compiles three times
def test_a_speedrun_is_compiled_for_all_its_sizes(recipe, images, monkeypatch):
    """torch runs eagerly, and says nothing, what it would have to compile more often than its limit."""
    compile_for = torch.compile
    monkeypatch.setattr(torch, "compile", lambda forward, **options: compile_for(forward, backend="eager", **options))
    monkeypatch.setattr(torch._dynamo.config, "fail_on_recompile_limit_hit", True)
    recipe = recipe.with_params({**SPEEDRUN, "total_epoch": 4, "tta": "none", "sizes": {"20": 1, "24": 1, "28": 1}})
    assert train(recipe, images, device="cpu", step="compiled").status == "finished"


def test_every_technique_at_once(recipe, images, tmp_path):
    recipe = recipe.with_params({"total_epoch": 4, **SPEEDRUN})
    sides, biases = [], []

    def watch(self, state, batches, valid_batches):
        steps = state.forward

        def forward(x):
            sides.append(x.shape[2])
            biases.append(state.network.whiten_conv.bias.requires_grad)
            return steps(x)

        return plain(self, dataclasses.replace(state, forward=forward), batches, valid_batches)

    with pytest.MonkeyPatch.context() as patch:
        plain = Session.train
        patch.setattr(Session, "train", watch)
        result = train(recipe, images, device="cpu", out=tmp_path, report_test=True)
    training = [side for side in sides if side != 32]
    assert training == [24] * 20 + [28] * 20  # the first two of four epochs of 20 steps
    assert biases[:20] == [True] * 20 and not any(biases[-6:])
    assert result.epochs[-1].train_acc > 0.5 and result.epochs[-1].lr == pytest.approx(0.01)
    assert result.tta_acc == result.test_acc and result.times.tta > 0
    whitened = load_file(f"{result.path}/weights.safetensors")
    split = Split(images=images.train.images[:100], labels=images.train.labels[:100])
    mean, std = statistics(images)
    dtype = whitened["whiten_conv.weight"].dtype
    shown, _ = next(Batches(split, batch_size=100, mean=mean, std=std, dtype=dtype).epoch())
    assert torch.equal(whitened["whiten_conv.weight"], whitening_filters(shown, 2).to(dtype))
    assert all(torch.equal(v, torch.ones_like(v)) for name, v in whitened.items() if name.endswith("bn.weight"))
    assert figures(train(recipe, images, device="cpu")) == figures(result)


def test_convolutions_begin_as_the_identity(recipe):
    recipe = recipe.with_params({**SPEEDRUN, "total_epoch": 2})
    precision = resolve_precision("O2", torch.device("cpu"))
    state = build_state(recipe, 10, torch.device("cpu"), precision, step="eager")
    init_weights(state, 0, identity=True, unit_head=True)
    image = torch.rand(2, 8, 6, 6).to(torch.bfloat16)
    assert torch.equal(state.network.layer2_conv(image)[:, :8], image)
    assert state.network.linear.weight.float().std().item() == pytest.approx(1, abs=0.01)
    assert all(
        torch.equal(master.to(weight.dtype), weight)
        for master, weight in zip(state.optimizer.weights, state.weights, strict=True)
    )
    velocities = {tuple(v.shape) for v in state.optimizer.velocities}
    assert (8, 24, 3, 3) in velocities and len(state.optimizer.velocities) == len(state.weights) == 1 + 9 + 9 + 1
