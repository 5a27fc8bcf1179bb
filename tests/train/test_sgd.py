import torch

from fastcifar.train.sgd import SGD, nesterov_step


def test_all_at_once_is_one_by_one():
    generator = torch.Generator().manual_seed(0)
    shapes, factors = [(3, 4), (5,), (2, 3, 3, 3)], [1.0, 0.0, 2.5]
    weights = [torch.randn(shape, generator=generator) for shape in shapes]
    plain = [(weight.clone(), torch.zeros_like(weight)) for weight in weights]
    optimizer = SGD(weights, factors=factors, weight_decay=[0.3] * 3, momentum=0.9)
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
