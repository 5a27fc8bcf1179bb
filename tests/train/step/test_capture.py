from contextlib import contextmanager, nullcontext
from itertools import product
from types import SimpleNamespace

import pytest
import torch
from coloured import coloured

from fastcifar.train import Hooks, Recipe, named_recipe, resume, session, train
from fastcifar.train.build import build_state, capture, init_weights, warm_up
from fastcifar.train.networks import step_kinds
from fastcifar.train.optim.muon_batched import BatchedMuon
from fastcifar.train.optim.sgd import FlatSGD
from fastcifar.train.step.capture import WARM_UP, cuda_graph
from fastcifar.train.step.loop import State, step_of, train_epoch, training_step
from fastcifar.train.step.precision import resolve_precision
from fastcifar.train.step.ways import resolve_step
from fastcifar.train.whiten import train_whitening

CPU = torch.device("cpu")
POOL = object()
RECIPE = named_recipe("speedrun94").with_params({"layer1": 8, "layer2": 8, "layer3": 8, "batch_size": 8})


class Recorder:
    """Stands for CUDA graphs: a replay runs the work again, and writes to the tensors that were recorded."""

    def __init__(self, weights: list[torch.Tensor]) -> None:
        self.weights, self.recorded, self.replayed, self.pools = weights, 0, 0, []

    def __call__(self, work, pool):
        self.pools.append(pool)
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
    state = capture(state, recipe.label_smoothing, recorder, POOL)
    warm_up(state, 10, recipe.batch_size, {4}, product((24, 32), (True, False)))
    for one in (state, twin):
        init_weights(one, 1, identity=True)
    return state, twin, recorder


def batch(number: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(number)
    images = torch.randn(8, 3, side, side, generator=generator).contiguous(memory_format=torch.channels_last)
    return images, torch.randint(0, 10, (8,), generator=generator)


@pytest.mark.parametrize("averaging", ["none", "lookahead"])
@pytest.mark.parametrize("precision", ["O0", "O1", "O2", "half"])
def test_replays_are_what_was_not_recorded(precision, averaging, monkeypatch):
    monkeypatch.setattr("fastcifar.train.build.SGD", FlatSGD)  # a GPU's optimizers
    monkeypatch.setattr("fastcifar.train.build.Muon", BatchedMuon)
    state, twin, recorder = states(RECIPE.with_params({"averaging": averaging, "average_every": 1}), precision)
    assert recorder.recorded == 4  # two sides, each with the whitening's bias trained and not
    recorder.replayed = 0
    for epoch, side in enumerate((24, 32, 24, 32)):
        losses = []
        for one in (state, twin):
            train_whitening(one.network, epoch < 2)
            pairs = [batch(2 * epoch + i, side) for i in range(2)]
            batches = iter([(images.to(one.precision.images), labels) for images, labels in pairs])
            losses.append(train_epoch(one, batches, lambda step: 0.01 + step / 100, 0.2, lambda step: None))
        assert losses[0] == losses[1]
    assert recorder.recorded == 4 and recorder.replayed == 8  # nothing is recorded while it trains
    for name, value in twin.network.state_dict().items():
        assert torch.equal(state.network.state_dict()[name], value), name
    assert recorder.pools == [POOL] * 4


def test_what_a_schedule_needs_is_recorded_once_the_largest_first():
    """Of epochs of 24 and 32 pixels, in the first of which the whitening's bias is trained."""
    recipe = RECIPE.with_params({"sizes": {"24": 2}, "total_epoch": 4, "whiten_epochs": 3})
    kinds = step_kinds(recipe)
    assert kinds == [(24, True), (32, True), (32, False)]
    assert step_kinds(recipe, 3) == [(32, False)] and step_kinds(recipe, 4) == []  # of a run that is resumed
    assert step_kinds(Recipe(sizes={"16": 1, "24": 1})) == [(16, True), (24, True), (32, True)]
    assert step_kinds(Recipe(whiten_epochs=0)) == [(32, True)]  # there is no whitening

    state = build_state(recipe, 10, CPU, resolve_precision("O0", CPU), "eager")
    recorder = Recorder(state.weights)
    state = capture(state, 0.2, recorder, POOL)
    warm_up(state, 10, recipe.batch_size, {4}, kinds)
    recorded = [(shape[2], all(trained)) for shape, trained in state.captured.recordings]
    assert recorded == [(32, True), (32, False), (24, True)] and recorder.pools == [POOL] * 3
    for side, trained in kinds:
        train_whitening(state.network, trained)
        state.captured(*batch(0, side), 0.1)
    assert recorder.recorded == 3


def test_a_run_warms_up_for_the_epochs_that_it_has(monkeypatch, tmp_path):
    """A run that is resumed does so for those that are left."""
    monkeypatch.setattr(torch, "compile", lambda forward, **options: forward)
    asked = []
    monkeypatch.setattr(session, "warm_up", lambda *args: asked.append(args[2:]))
    small = {"dataset": "synthetic", "batch_size": 32, "total_epoch": 3, "whiten_epochs": 2, "sizes": {"24": 1}}

    def interrupt(epoch, step):
        if epoch == 2:
            raise KeyboardInterrupt

    images, hooks = coloured(64, 40), Hooks(progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(RECIPE.with_params(small), images, device="cpu", step="compiled", out=tmp_path, hooks=hooks)
    resume(next(tmp_path.iterdir()), images)
    assert asked == [(32, {40}, [(24, True), (32, True), (32, False)]), (32, {40}, [(32, False)])]


def test_recording_leaves_everything_as_it_was():
    """Also in the middle of a training, though steps are made to record one."""
    state, twin, recorder = states(RECIPE, "O0")
    for one in (state, twin):
        one.network.train()
        train_whitening(one.network, True)
        training_step(one, *batch(0, 32), 0.1, 0.2)
    del state.captured.recordings[next(iter(state.captured.recordings))]
    for one in (state, twin):
        training_step(one, *batch(1, 32), 0.1, 0.2)
    assert recorder.recorded == 5
    changed = ([*one.network.state_dict().values(), *one.optimizer.velocities] for one in (state, twin))
    for mine, twins in zip(*changed, strict=True):
        assert torch.equal(mine, twins)


class FakeCUDA:
    """What `cuda_graph` asks of torch.cuda, on a machine without it. graph: the context of a recording."""

    class CUDAGraph:
        def replay(self):
            pass

    def __init__(self, graph):
        self.pools, self.record = [], graph

    def graph(self, graph, pool, stream):
        self.pools.append(pool)
        return self.record()

    def Stream(self, device=None):
        return SimpleNamespace(wait_stream=lambda other: None)

    def stream(self, stream):
        return nullcontext()

    current_device, current_stream = staticmethod(lambda: 0), Stream


@contextmanager
def failing_end():
    """As torch.cuda.graph: a recording that has failed cannot be ended either."""
    try:
        yield
    except Exception:
        raise RuntimeError("CUDA error: operation failed due to a previous error during capture")  # noqa: B904


def work_that_fails_when_recorded(error):
    runs = iter(range(WARM_UP))

    def work():
        if next(runs, None) is None:
            raise error
        return torch.zeros(1), torch.zeros(1)

    return work


def test_memory_that_runs_out_while_it_records_is_told_as_that(monkeypatch):
    fake = FakeCUDA(failing_end)
    monkeypatch.setattr("fastcifar.train.step.capture.torch.cuda", fake)
    monkeypatch.setattr("fastcifar.train.step.capture._stream", fake.Stream)
    with pytest.raises(torch.OutOfMemoryError, match="2 GiB"):
        cuda_graph(work_that_fails_when_recorded(torch.OutOfMemoryError("CUDA out of memory: 2 GiB")), POOL)
    with pytest.raises(RuntimeError, match="previous error during capture"):
        cuda_graph(work_that_fails_when_recorded(ValueError("another")), POOL)
    (logits, _), replay = cuda_graph(lambda: (torch.ones(2), torch.zeros(1)), POOL)
    assert logits.tolist() == [1, 1] and replay() is None and fake.pools == [POOL] * 3


@pytest.mark.slow  # compiles
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
        loss, right, logits = state.captured(images, labels, 0.01)
        exact_loss, exact_right, exact_logits = step_of(twin, images, labels, 0.01, RECIPE.label_smoothing)
        assert int(right) == int(exact_right)
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
