import pytest
import torch
from half_emulated import EmulatedHalf

from fastcifar.train.optim.muon import Muon, orthogonalize
from fastcifar.train.optim.muon_batched import BatchedMuon
from fastcifar.train.optim.optimizer import Several
from fastcifar.train.optim.sgd import SGD


def gradients(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float32, 1e-3), (torch.bfloat16, 0.05)])
@pytest.mark.parametrize("shape", [(3, 16, 40), (2, 48, 20)])
def test_singular_values_come_near_one_and_vectors_stay(shape, dtype, rounding):
    matrices = gradients(*shape)
    result = orthogonalize(matrices, 5, dtype)
    assert result.shape == shape and result.dtype == dtype
    for matrix, turned in zip(matrices.double(), result.double(), strict=True):
        u, values, vh = torch.linalg.svd(matrix, full_matrices=False)
        rotated = u.T @ turned @ vh.T
        diagonal = rotated.diagonal()
        assert diagonal.min() > 0.65 and diagonal.max() < 1.25
        assert (rotated - torch.diag(diagonal)).abs().max() < rounding
        # The quintic polynomial, iterated on the singular values alone.
        expected = values / matrix.norm()
        for _ in range(5):
            expected = 3.4445 * expected - 4.7750 * expected**3 + 2.0315 * expected**5
        torch.testing.assert_close(diagonal, expected, atol=rounding, rtol=0)


def test_fp16_takes_matrices_whose_norm_it_cannot_hold():
    """On a GPU without bf16: their numbers fit, the root of the sum of their squares does not."""
    matrices = (gradients(2, 64, 90) * 1500).half()
    assert matrices.isfinite().all() and (matrices.float().norm(dim=(1, 2)) > 65504).all()
    with EmulatedHalf():
        result = orthogonalize(matrices, 5, torch.float16)
    exact = orthogonalize(matrices.float(), 5, torch.float32)
    assert result.dtype == torch.float16 and (result.float() - exact).norm() < 0.02 * exact.norm()


def test_a_batch_is_one_by_one():
    matrices = gradients(4, 8, 30)
    single = torch.cat([orthogonalize(matrix[None], 3, torch.float32) for matrix in matrices])
    torch.testing.assert_close(orthogonalize(matrices, 3, torch.float32), single, atol=1e-5, rtol=0)


def test_one_step_by_the_formula():
    weights = [gradients(6, 4, 3, 3).contiguous(memory_format=torch.channels_last), gradients(5, 4, 3, 3) * 3]
    before = [weight.clone() for weight in weights]
    optimizer = Muon(weights, factors=[1.0, 0.5], momentum=0.6, steps=3, dtype=torch.float32)
    optimizer.lr = 0.1
    slopes = [gradients(*weight.shape) + 1 for weight in weights]
    for weight, slope in zip(weights, slopes, strict=True):
        weight.grad = slope.clone()
    optimizer.step()
    for weight, old, slope, factor in zip(weights, before, slopes, (1.0, 0.5), strict=True):
        flat = (1.6 * slope).flatten(1)  # Nesterov: the gradient and 0.6 of the velocity, which is the gradient
        turned = orthogonalize(flat[None], 3, torch.float32)[0].view(old.shape)
        expected = old * len(old) ** 0.5 / old.norm() - 0.1 * factor * turned
        torch.testing.assert_close(weight, expected, atol=1e-5, rtol=1e-4)


def test_the_size_of_the_gradient_does_not_matter():
    def step(scale: float) -> torch.Tensor:
        weight = gradients(6, 4, 3, 3)
        optimizer = Muon([weight], factors=[1.0], momentum=0.6, steps=3, dtype=torch.float32)
        optimizer.lr, weight.grad = 0.1, gradients(6, 4, 3, 3) * scale
        optimizer.step()
        return weight

    torch.testing.assert_close(step(1.0), step(1000.0), atol=1e-4, rtol=0)


def test_several_optimizers_keep_the_order_and_skip_what_has_no_gradient():
    filters, bias, idle = gradients(6, 4, 3, 3), torch.zeros(6), torch.ones(3)
    muon = Muon([filters], factors=[1.0], momentum=0.6, steps=3, dtype=torch.float32)
    sgd = SGD([bias, idle], factors=[1.0, 1.0], weight_decay=[0.0, 0.5], momentum=0.9)
    both = Several([(sgd, [0, 2]), (muon, [1])])
    assert [tuple(weight.shape) for weight in both.weights] == [(6,), (6, 4, 3, 3), (3,)]
    filters.grad, bias.grad, both.lr = torch.ones_like(filters), torch.ones(6), 0.1
    both.step()
    assert torch.allclose(bias, torch.full((6,), -0.19)) and torch.equal(idle, torch.ones(3))
    assert not torch.equal(filters, gradients(6, 4, 3, 3)) and both.velocities[0] is sgd.velocities[0]


KERNELS = [(16, 6, 3, 3), (16, 16, 3, 3), (40, 3, 3, 3), (16, 16, 3, 3), (12, 40, 1, 1)]  # one is taller than wide


def optimizers(weight_dtype: torch.dtype, dtype: torch.dtype) -> list[Muon]:
    made = []
    for kind in (Muon, BatchedMuon):
        weights = [
            gradients(*shape).to(weight_dtype).contiguous(memory_format=torch.channels_last) for shape in KERNELS
        ]
        factors = [1.0, 2.0, 0.5, 1.0, 3.0]
        made.append(kind(weights, factors=factors, momentum=0.6, steps=3, dtype=dtype))
        made[-1].lr = 0.03
    return made


def slopes(optimizer: Muon, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for weight in optimizer.weights:
        slope = torch.randn(weight.shape, generator=generator).to(weight.dtype)
        weight.grad = slope.contiguous(memory_format=torch.channels_last)


FP32, BF16, FP16 = torch.float32, torch.bfloat16, torch.float16


@pytest.mark.parametrize(
    ("weight_dtype", "dtype", "close"), [(FP32, FP32, 1e-5), (FP32, BF16, 2.4e-4), (FP16, BF16, 4e-3)]
)
def test_all_kernels_in_one_batch_are_one_by_one(weight_dtype, dtype, close):
    plain, batched = optimizers(weight_dtype, dtype)
    for seed in range(3):
        for optimizer in (plain, batched):
            slopes(optimizer, seed)
            optimizer.step()
    for kind in ("weights", "velocities"):
        for mine, twin in zip(getattr(batched, kind), getattr(plain, kind), strict=True):
            assert mine.stride() == twin.stride() or mine.shape[2] == 1
            torch.testing.assert_close(mine, twin, atol=close, rtol=0)


def test_a_batch_that_lacks_a_gradient_leaves_its_weight_alone():
    plain, batched = optimizers(torch.float32, torch.float32)
    for optimizer in (plain, batched):
        slopes(optimizer, 0)
        optimizer.step()
        slopes(optimizer, 1)
        optimizer.weights[1].grad = None
        optimizer.step()
    for mine, twin in zip(batched.weights, plain.weights, strict=True):
        torch.testing.assert_close(mine, twin, atol=1e-5, rtol=0)
