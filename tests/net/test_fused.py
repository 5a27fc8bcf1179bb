import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastcifar.net import Graph, Network, NoKernels, convert, fuse, load_kernels, resnet9, run_graph, speednet
from fastcifar.net.fused import library
from fastcifar.net.fused.norm_act import ACTIVATION_CODES, NormAct, pool

WIDTHS = {"prep": 16, "layer1": 20, "layer2": 24, "layer3": 40}


def images(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(shape, generator=generator) * 3 + 5
    return values.to(dtype).contiguous(memory_format=torch.channels_last)


def norm(channels: int) -> nn.BatchNorm2d:
    torch.manual_seed(1)
    module = nn.BatchNorm2d(channels, momentum=0.3)
    nn.init.uniform_(module.weight, -1, 2)
    nn.init.normal_(module.bias)
    return module


def plain(module: nn.BatchNorm2d, activation: type[nn.Module], pools: bool) -> nn.Sequential:
    return nn.Sequential(copy.deepcopy(module).double(), activation(), nn.MaxPool2d(2) if pools else nn.Identity())


def error(value: Tensor | None, exact: Tensor | None) -> float:
    assert value is not None and exact is not None
    return float((value.detach().double() - exact.detach()).abs().max() / exact.detach().abs().max())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("pools", [False, True])
@pytest.mark.parametrize("activation", ACTIVATION_CODES)
@pytest.mark.parametrize("channels", [16, 28])
def test_one_operation_does_what_three_do(
    channels: int, activation: type[nn.Module], pools: bool, dtype: torch.dtype
) -> None:
    module = norm(channels)
    reference = plain(module, activation, pools)
    x = images(6, channels, 9, 7, dtype=dtype).requires_grad_()
    exact_x = x.detach().double().requires_grad_()
    z, exact_z = NormAct(module, ACTIVATION_CODES[activation], pools)(x), reference(exact_x)
    dz = torch.randn(z.shape, generator=torch.Generator().manual_seed(2)).to(dtype)
    z.backward(dz)
    exact_z.backward(dz.double())
    rounding = 1e-6 if dtype == torch.float32 else 0.005
    assert z.dtype == dtype and error(z, exact_z) < rounding
    assert error(x.grad, exact_x.grad) < 2 * rounding
    exact = reference[0]
    assert error(module.weight.grad, exact.weight.grad) < 2e-6
    assert error(module.bias.grad, exact.bias.grad) < 2e-6
    assert error(module.running_mean, exact.running_mean) < 2e-6
    assert error(module.running_var, exact.running_var) < 2e-6
    assert module.num_batches_tracked == 1


@pytest.mark.parametrize("pools", [False, True])
def test_evaluation_uses_the_running_statistics(pools: bool) -> None:
    module = norm(20)
    NormAct(module, ACTIVATION_CODES[nn.GELU], pools)(images(4, 20, 6, 6))
    module.eval()
    reference, x = plain(module, nn.GELU, pools), images(3, 20, 5, 8).requires_grad_()
    exact_x = x.detach().double().requires_grad_()
    before = copy.deepcopy(module.state_dict())
    z, exact_z = NormAct(module, ACTIVATION_CODES[nn.GELU], pools)(x), reference(exact_x)
    assert error(z, exact_z) < 1e-6
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    z.sum().backward()
    exact_z.sum().backward()
    assert error(x.grad, exact_x.grad) < 2e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pooling_alone(dtype: torch.dtype) -> None:
    x, twin = (images(4, 20, 9, 7, dtype=dtype).requires_grad_() for _ in range(2))
    z, exact = pool(x), F.max_pool2d(twin, 2)
    dz = torch.randn(exact.shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    z.backward(dz)
    exact.backward(dz)
    assert torch.equal(z, exact) and x.grad is not None and twin.grad is not None and torch.equal(x.grad, twin.grad)
    few = images(2, 3, 4, 4)
    assert torch.equal(pool(few), F.max_pool2d(few, 2))


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_number_of_threads_changes_nothing(threads: None) -> None:
    found = []
    for number in (1, 2, 3):
        torch.set_num_threads(number)
        module, x = norm(28), images(5, 28, 8, 8).requires_grad_()
        NormAct(module, ACTIVATION_CODES[nn.SiLU], True)(x).square().sum().backward()
        assert x.grad is not None and module.weight.grad is not None
        found.append((x.grad, module.weight.grad))
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


def test_a_mean_far_from_zero_costs_no_precision() -> None:
    x = images(8, 16, 8, 8) + 10_000
    z = NormAct(nn.BatchNorm2d(16), ACTIVATION_CODES[nn.Identity], False)(x)
    assert error(z, nn.BatchNorm2d(16).double()(x.double())) < 1e-4


@pytest.mark.parametrize("activation", ACTIVATION_CODES)
@pytest.mark.parametrize("pools", [False, True])
def test_what_is_no_number_stays_none(activation: type[nn.Module], pools: bool) -> None:
    x = images(2, 16, 4, 4)
    x[0, 3, 1, 1] = float("nan")
    z = NormAct(norm(16), ACTIVATION_CODES[activation], pools)(x)
    assert z[:, 3].isnan().all() and z[:, :3].isfinite().all()


def test_other_formats_are_refused() -> None:
    with pytest.raises(ValueError, match="float or bfloat16"):
        NormAct(norm(16), 0, False)(images(2, 16, 4, 4).double())
    for few in (0, 1):
        with pytest.raises(ValueError, match="more than one value of each channel"):
            NormAct(norm(16), 0, False)(images(2, 16, 1, 1)[:few])


def loss_and_gradients(network: Network, graph: Graph | None, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    logits = run_graph(graph or network.graph, {"input": x})["logits"]
    loss = F.cross_entropy(logits, torch.arange(len(x)) % 10, reduction="sum")
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    return loss.detach(), list(torch.autograd.grad(loss, trained))


def test_a_fused_network_agrees_with_its_plain_twin() -> None:
    torch.manual_seed(0)
    network = Network(resnet9(WIDTHS, extra_layers={"layer2": 1})).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = images(16, 3, 32, 32)
    fused = fuse(network.graph)
    assert "prep/relu" in fused and "prep/bn" not in fused and "layer1/pool" in fused and "layer1/relu" not in fused
    assert list(fused)[-1] == "logits"
    loss, gradients = loss_and_gradients(network, fused, x)
    plain_loss, plain_gradients = loss_and_gradients(network, network.graph, x)
    exact_loss, exact_gradients = loss_and_gradients(copy.deepcopy(network).double(), None, x.double())
    assert torch.isclose(loss.double(), exact_loss, rtol=1e-5) and torch.isclose(loss, plain_loss, rtol=1e-5)
    for mine, usual, exact in zip(gradients, plain_gradients, exact_gradients, strict=True):
        # Rounding turns a few ReLUs and maxima round, in either network.
        assert (mine - exact).norm() <= 2 * (usual - exact).norm() + 0.002 * exact.norm() <= 0.05 * exact.norm()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_fused_speednet_agrees_with_its_plain_twin(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    network = Network(speednet({"layer1": 16, "layer2": 20, "layer3": 24})).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    exact_network = copy.deepcopy(network).double()
    convert(network, dtype, torch.float32)
    with torch.no_grad():
        for exact, rounded in zip(exact_network.parameters(), network.parameters(), strict=True):
            exact.copy_(rounded)
    x = images(32, 3, 24, 24, dtype=dtype)
    fused = fuse(network.graph)
    assert "layer1/pool" in fused and "layer1/gelu" in fused and "layer1/bn" not in fused
    loss, gradients = loss_and_gradients(network, fused, x)
    plain_loss, plain_gradients = loss_and_gradients(network, network.graph, x)
    exact_loss, exact_gradients = loss_and_gradients(exact_network, None, x.double())
    assert torch.isclose(loss.double(), exact_loss, rtol=1e-6 if dtype == torch.float32 else 0.01)
    assert torch.isclose(loss, plain_loss, rtol=1e-6 if dtype == torch.float32 else 0.01)
    for mine, usual, exact in zip(gradients, plain_gradients, exact_gradients, strict=True):
        # In bf16 maxima fall the other way in either network; the fused one, which rounds less, is no worse.
        assert (mine - exact).norm() <= 1.5 * (usual - exact).norm() + 1e-5 * exact.norm()
        assert dtype != torch.float32 or (mine - exact).norm() <= 1e-4 * exact.norm()


def test_what_has_two_users_or_few_channels_stays() -> None:
    net = {
        "input": (None, []),
        "conv": nn.Conv2d(3, 16, 1),
        "bn": nn.BatchNorm2d(16),
        "relu": nn.ReLU(),
        "pool": nn.MaxPool2d(2),
        "twice": (torch.add, ["relu", "relu"]),
        "small": nn.Conv2d(16, 8, 1),
        "small_bn": nn.BatchNorm2d(8),
        "wide_pool": nn.MaxPool2d(3),
    }
    graph = Network(net).graph
    fused = fuse(graph)
    assert list(fused) == ["input", "conv", "relu", "pool", "twice", "small", "small_bn", "wide_pool"]
    assert fused["pool"][1] == ["relu"] and fused["relu"][1] == ["conv"]
    assert fused["small_bn"] == graph["small_bn"] and fused["wide_pool"] == graph["wide_pool"]


def test_another_default_format_changes_nothing() -> None:
    x, first, second = images(2, 16, 4, 4), norm(16), norm(16)
    torch.set_default_dtype(torch.float64)
    try:
        z, pooled = NormAct(first, 1, False)(x), pool(x)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(z, NormAct(second, 1, False)(x)) and torch.equal(pooled, F.max_pool2d(x, 2))


def test_a_broken_library_is_made_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load_kernels.cache_clear()
    monkeypatch.setattr(library, "FLAGS", (*library.FLAGS, "-O0"))  # compiled in a quarter of the time
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "one"))
    load_kernels()
    (whole,) = (tmp_path / "one").glob("fastcifar/kernels-*.so")
    broken = tmp_path / "two" / "fastcifar" / whole.name
    broken.parent.mkdir(parents=True)
    broken.write_bytes(whole.read_bytes()[:100])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "two"))
    load_kernels.cache_clear()
    load_kernels()
    assert broken.stat().st_size > 10_000
    monkeypatch.undo()
    load_kernels.cache_clear()


def test_a_machine_without_a_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    load_kernels.cache_clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(NoKernels, match="no-such-compiler"):
        load_kernels()
    monkeypatch.setenv("CXX", "false")
    with pytest.raises(NoKernels, match="could not be compiled by false: exit status 1"):
        load_kernels()
    monkeypatch.undo()
    load_kernels.cache_clear()
    load_kernels()
