import pytest
import torch

from fastcifar.train.optim.averaging import Average


def steps(average: Average, tensor: torch.Tensor, values: list[float], changes: set[int]) -> list[float]:
    """The tensor after each step, where the training sets it to what it was plus the value; changed after `changes`."""
    average.begin()
    after = []
    for number, value in enumerate(values, 1):
        tensor += value
        changed = average.after(number)
        after.append(float(tensor))
        assert changed == (number in changes)
    return after


def test_lookahead_by_hand():
    tensor = torch.tensor([0.0])
    average = Average("lookahead", [tensor], every=2, decay=0.5, tail_start=99, total=5)
    # After step 2 the old mean, 0, weighs 0.5 * 0.4^3 = 0.032; after step 4 0.5 * 0.8^3 = 0.256; after the last the
    # weights are the mean.
    second = 2 * (1 - 0.032)
    fourth = 0.256 * second + 0.744 * (second + 2)
    expected = [1, second, second + 1, fourth, fourth]
    assert steps(average, tensor, [1, 1, 1, 1, 1], {2, 4, 5}) == pytest.approx(expected)


def test_lookahead_whose_last_step_is_due():
    tensor = torch.tensor([0.0])
    average = Average("lookahead", [tensor], every=2, decay=0.5, tail_start=99, total=4)
    second = 2 * (1 - 0.5 * 0.5**3)
    fourth = 0.5 * second + 0.5 * (second + 2)
    assert steps(average, tensor, [1, 1, 1, 1], {2, 4}) == pytest.approx([1, second, second + 1, fourth])


def test_the_mean_of_the_tail_by_hand():
    tensor = torch.tensor([0.0])
    average = Average("tail", [tensor], every=2, decay=0.7, tail_start=3, total=6)
    # The mean starts at 3 after step 3; after step 5 it is 0.7 * 3 + 0.3 * 5, and so after the last.
    fifth = 0.7 * 3 + 0.3 * 5
    last = 0.7 * fifth + 0.3 * (fifth + 1)
    assert steps(average, tensor, [1] * 6, {5, 6}) == pytest.approx([1, 2, 3, 4, fifth, last])


def test_several_formats_at_once():
    tensors = [torch.zeros(3), torch.zeros(2, dtype=torch.bfloat16)]
    average = Average("tail", tensors, every=1, decay=0.5, tail_start=0, total=2)
    average.begin()
    for tensor in tensors:
        tensor += 1
    assert average.after(1)
    assert all(torch.equal(tensor, torch.full_like(tensor, 0.5)) for tensor in tensors)
