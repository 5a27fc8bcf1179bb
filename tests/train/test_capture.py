import pytest
import torch

from fastcifar.train import Recipe, named_recipe
from fastcifar.train.build import build_state, capture, init_weights, warm_up
from fastcifar.train.capture import WARM_UP
from fastcifar.train.loop import State, forward_backward, train_epoch
from fastcifar.train.precision import resolve_precision
from fastcifar.train.step import resolve_step
from fastcifar.train.whiten import train_whitening

CPU = torch.device("cpu")
RECIPE = named_recipe("speedrun94").with_params({"layer1": 8, "layer2": 8, "layer3": 8, "batch_size": 8})


class Recorder:
    """Stands for CUDA graphs: a replay runs the work again, and writes to the tensors that were recorded."""

    def __init__(self, weights: list[torch.Tensor]) -> None:
        self.weights, self.recorded, self.replayed = weights, 0, 0

    def __call__(self, work):
        for _ in range(WARM_UP + 1):
            outputs = work()
        gradients = [weight.grad for weight in self.weights]
        self.recorded += 1

        def replay() -> None:
            self.replayed += 1
            for old, new in zip(outputs, work(), strict=True):
                old.copy_(new)
            for old, weight in zip(gradients, self.weights, strict=True):
                if old is not None:
                    old.copy_(weight.grad)
                weight.grad = None  # a graph does not touch the attribute

        return outputs, replay


def states(recipe: Recipe, precision_name: str, step: str = "eager") -> tuple[State, State, Recorder]:
    """The same weights twice: a state that is recorded, and its plain twin."""
    precision = resolve_precision(precision_name, CPU)
    twin, state = (build_state(recipe, 10, CPU, precision, step=one) for one in ("eager", step))
    recorder = Recorder(state.weights)
    state = capture(state, recipe.label_smoothing, recorder)
    warm_up(state, 10, recipe.batch_size, {4}, {24, 32})
    for one in (state, twin):
        init_weights(one, 1, identity=True)
    return state, twin, recorder


def batch(number: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(number)
    images = torch.randn(8, 3, side, side, generator=generator).contiguous(memory_format=torch.channels_last)
    return images, torch.randint(0, 10, (8,), generator=generator)


@pytest.mark.parametrize("averaging", ["none", "lookahead"])
@pytest.mark.parametrize("precision", ["O0", "O1", "O2", "half"])
def test_replays_are_what_was_not_recorded(precision, averaging):
    state, twin, recorder = states(RECIPE.with_params({"averaging": averaging, "average_every": 1}), precision)
    assert recorder.recorded == 4  # two sides, each with the whitening's bias trained and not
    recorder.replayed = 0
    for epoch, side in enumerate((24, 32, 24, 32)):
        losses = []
        for one in (state, twin):
            train_whitening(one.network, epoch < 2)
            pairs = [batch(2 * epoch + i, side) for i in range(2)]
            batches = iter([(images.to(one.precision.images), labels) for images, labels in pairs])
            losses.append(train_epoch(one, batches, lambda step: 0.01, RECIPE.label_smoothing, lambda step: None))
        assert losses[0] == losses[1]
    assert recorder.recorded == 4 and recorder.replayed == 8  # nothing is recorded while it trains
    for name, value in twin.network.state_dict().items():
        assert torch.equal(state.network.state_dict()[name], value), name


def test_what_is_compiled_can_be_recorded(monkeypatch):
    compile_for = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda forward, **options: compile_for(forward, backend="aot_eager", **options)
    )
    state, twin, recorder = states(RECIPE, "O0", "compiled")
    assert recorder.recorded == 4
    for side in (24, 32):
        for one in (state, twin):
            train_whitening(one.network, side == 24)
            one.network.train()
        images, labels = batch(side, side)
        logits, loss = state.captured(images, labels)
        exact_logits, exact_loss = forward_backward(twin, images, labels, RECIPE.label_smoothing)
        torch.testing.assert_close(logits, exact_logits)
        torch.testing.assert_close(loss, exact_loss)
        for weight, exact in zip(state.weights, twin.weights, strict=True):
            torch.testing.assert_close(weight.grad, exact.grad)
    assert recorder.recorded == 4


@pytest.mark.parametrize("step", ["captured", "compiled-captured"])
def test_where_it_can_be_had(step):
    assert resolve_step(step, torch.device("cuda")) == step
    with pytest.raises(ValueError, match=f"{step} is for CUDA graphs, and the device is cpu"):
        resolve_step(step, CPU)
