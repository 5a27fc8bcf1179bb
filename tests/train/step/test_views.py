import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fastcifar.train.step.views import even_batch, logits_of_views

IMAGES = torch.rand(7, 3, 8, 8, generator=torch.Generator().manual_seed(0))
READ = torch.randn(3 * 64, 4, generator=torch.Generator().manual_seed(1))


def forward(images: Tensor) -> Tensor:
    return images.flatten(1) @ READ


def views(kind: str, share: float = 0.25) -> Tensor:
    return logits_of_views(forward, lambda: iter(IMAGES.split(3)), kind, share, 2)


def shifted(down: int, right: int) -> Tensor:
    """Every image moved, reflected at the edge."""
    rows = [min(abs(y - down), 14 - abs(y - down)) for y in range(8)]
    columns = [min(abs(x - right), 14 - abs(x - right)) for x in range(8)]
    return IMAGES[:, :, rows][:, :, :, columns]


def both(images: Tensor) -> Tensor:
    return (forward(images) + forward(images.flip(3))) / 2


def test_views_by_definition():
    torch.testing.assert_close(views("none"), forward(IMAGES))
    torch.testing.assert_close(views("flip"), both(IMAGES))
    six = both(IMAGES) / 2 + both(shifted(1, 1)) / 4 + both(shifted(-1, -1)) / 4
    torch.testing.assert_close(views("six"), six)


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.43, 3), (1.0, 7)])
def test_six_views_of_the_unsure(share, count):
    sure = both(IMAGES).softmax(1).amax(1)
    unsure = sure <= sure.sort().values[count - 1] if count else torch.zeros(7, dtype=torch.bool)
    expected = torch.where(unsure[:, None], views("six"), views("flip"))
    torch.testing.assert_close(views("six-unsure", share), expected)
    assert int((views("six-unsure", share) != views("flip")).any(1).sum()) == count


def test_views_cost_what_they_say():
    seen: list[int] = []

    def counting(images: Tensor) -> Tensor:
        seen.append(len(images))
        return forward(images)

    for kind, total in [("none", 7), ("flip", 14), ("six", 42), ("six-unsure", 14 + 4 * 2)]:
        seen.clear()
        logits_of_views(counting, lambda: iter(IMAGES.split(3)), kind, 0.25, 5)
        assert sum(seen) == total
    assert F.cross_entropy(views("six"), torch.zeros(7, dtype=torch.long)).isfinite()


def test_batches_are_even():
    assert [even_batch(number, 2000) for number in (10_000, 5000, 2500, 2000, 700, 1)] == [
        2000,
        1250,
        1250,
        2000,
        700,
        1,
    ]
    assert even_batch(10_007, 2000) == 1668 and 10_007 % 1668 > 1600  # a prime number


def test_the_unsure_of_a_gpu_are_those_of_a_cpu(monkeypatch):
    """With logits that say that they are elsewhere."""

    class Elsewhere(Tensor):
        @property
        def device(self) -> torch.device:
            return torch.device("cuda")

    def views_of(kind: type[Tensor]) -> Tensor:
        return logits_of_views(
            lambda x: forward(x).as_subclass(kind), lambda: iter(IMAGES.split(3)), "six-unsure", 0.6, 3
        )

    assert views_of(Elsewhere).device.type == "cuda"
    torch.testing.assert_close(views_of(Elsewhere).as_subclass(Tensor), views_of(Tensor))
