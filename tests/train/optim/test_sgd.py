import pytest
import torch

from fastcifar.train.optim.flat import each, flat, views
from fastcifar.train.optim.sgd import SGD, FlatSGD, nesterov_step


@pytest.mark.parametrize("kind", [SGD, FlatSGD])
def test_all_at_once_is_one_by_one(kind):
    generator = torch.Generator().manual_seed(0)
    shapes, factors = [(3, 4), (5,), (2, 3, 3, 3)], [1.0, 0.0, 2.5]
    weights = [torch.randn(shape, generator=generator) for shape in shapes]
    plain = [(weight.clone(), torch.zeros_like(weight)) for weight in weights]
    optimizer = kind(weights, factors=factors, weight_decay=[0.3] * 3, momentum=0.9)
    for step in range(4):
        optimizer.lr = 0.1 / (step + 1)
        for weight, (twin, velocity), factor in zip(weights, plain, factors, strict=True):
            weight.grad = torch.randn(weight.shape, generator=generator)
            nesterov_step(twin, weight.grad.clone(), velocity, lr=optimizer.lr * factor, weight_decay=0.3, momentum=0.9)
        optimizer.step()
    for weight, velocity, (twin, twin_velocity) in zip(weights, optimizer.velocities, plain, strict=True):
        torch.testing.assert_close(weight, twin)
        torch.testing.assert_close(velocity, twin_velocity)


def test_two_steps_by_hand():
    weight = torch.tensor([1.0])
    optimizer = SGD([weight], factors=[1.0], weight_decay=[0.5], momentum=0.5)
    weight.grad, optimizer.lr = torch.tensor([1.5]), 0.1
    optimizer.step()  # change -0.1 * (1.5 + 0.5) = -0.2, velocity -0.2, weight 1 - 0.2 - 0.1
    assert abs(weight.item() - 0.7) < 1e-6
    weight.grad, optimizer.lr = torch.tensor([0.65]), 0.2
    optimizer.step()  # change -0.2 * (0.65 + 0.35) = -0.2, velocity -0.1 - 0.2, weight 0.7 - 0.2 - 0.15
    assert abs(weight.item() - 0.35) < 1e-6


def test_a_factor_of_zero_leaves_the_weight_bit_by_bit():
    weight = torch.randn(100)
    before = weight.clone()
    optimizer = SGD([weight], factors=[0.0], weight_decay=[0.5], momentum=0.9)
    weight.grad, optimizer.lr = torch.randn(100), 0.1
    optimizer.step()
    assert torch.equal(weight, before)


def test_flat_is_in_the_order_of_channels_last_and_views_undo_it():
    tensors = [torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last), torch.randn(5)]
    tensors += [torch.randn(4, 3, 1, 1), torch.randn(2, 3, 3, 3), torch.randn(3, 4)]
    vector = flat(tensors)
    assert torch.equal(vector[:96], tensors[0].permute(0, 2, 3, 1).reshape(-1))
    for view, tensor in zip(views(vector, tensors), tensors, strict=True):
        assert torch.equal(view, tensor) and view.untyped_storage().data_ptr() == vector.untyped_storage().data_ptr()
        assert view.stride() == tensor.stride() or tensor.shape == (2, 3, 3, 3)
    values = each([1.0, 2.0, 3.0, 4.0, 5.0], tensors)
    assert [float(view.mean()) for view in views(values, tensors)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("dtypes", [(torch.float32, torch.float32), (torch.float16, torch.float32)])
def test_a_rate_on_the_device_is_the_number(dtypes):
    """With weights that have no gradient in some steps."""
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(6, 4, 3, 3, generator=generator), torch.randn(7, generator=generator)]
    start = [values.to(dtype) for values, dtype in zip(start, dtypes, strict=True)]
    optimizers = [
        kind([weight.clone() for weight in start], factors=[2.0, 0.5], weight_decay=[0.1, 0.2], momentum=0.9)
        for kind in (SGD, FlatSGD, FlatSGD)
    ]
    for step in range(5):
        slopes = [torch.randn(weight.shape, generator=generator).to(weight.dtype) for weight in start]
        for optimizer in optimizers:
            optimizer.lr = 0.1 / (step + 1)
            for place, (weight, slope) in enumerate(zip(optimizer.weights, slopes, strict=True)):
                weight.grad = None if (step == 2 and place == 1) or step == 4 else slope.clone()
        optimizers[2].lr = torch.tensor(0.1 / (step + 1))
        for optimizer in optimizers:
            optimizer.step()
    plain, number, tensor = ([*one.weights, *one.velocities] for one in optimizers)
    for a, b, c in zip(plain, number, tensor, strict=True):
        torch.testing.assert_close(b, c, rtol=1e-6, atol=1e-7 if b.dtype == torch.float32 else 2e-3)
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6 if b.dtype == torch.float32 else 5e-3)
