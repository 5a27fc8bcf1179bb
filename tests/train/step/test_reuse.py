"""What is compiled serves the next run of the same recipe in the process."""

import pytest
import torch

from fastcifar.train import train
from fastcifar.train.step import reuse
from fastcifar.train.step.precision import resolve_precision

CPU = torch.device("cpu")


@pytest.fixture
def compiled(monkeypatch):
    """How often a network was compiled, which is left out."""
    made = []
    monkeypatch.setattr(torch, "compile", lambda forward, **options: made.append(1) or forward)
    reuse._kept.clear()
    yield made
    reuse._kept.clear()


def figures(result):
    return [(row.train_loss, row.train_acc, row.valid_loss, row.valid_acc) for row in result.epochs]


def test_many_seeds_compile_once(compiled, recipe, images):
    short = recipe.with_params({"total_epoch": 2, "train_images": 64, "averaging": "lookahead", "average_every": 1})
    once = [figures(train(short, images, seed, device="cpu", step="compiled")) for seed in (1, 2, 1)]
    assert len(compiled) == 1 and once[0] == once[2] != once[1]
    other = short.with_params({"peak_lr": 0.05})
    train(other, images, device="cpu", step="compiled")
    train(short, images, device="cpu", step="compiled", deterministic=True)
    assert len(compiled) == 3
    assert once[0] == figures(train(short, images, 1, device="cpu", step="compiled"))
    assert len(compiled) == 4  # one is kept, and that was another


def test_what_is_not_compiled_is_not_kept(compiled, recipe, images):
    train(recipe.with_params({"total_epoch": 1, "train_images": 64}), images, device="cpu", step="eager")
    assert not reuse._kept


def test_two_runs_at_a_time_have_a_network_each(compiled, recipe):
    made = recipe, 10, CPU, resolve_precision("O0", CPU), "compiled", 2, False
    first, second = reuse.Lease(*made), reuse.Lease(*made)
    assert first.state is not second.state
    first.end()
    second.end()
    assert reuse.Lease(*made).state is second.state and not reuse._kept
