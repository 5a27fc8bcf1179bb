import numpy as np
import pytest

from fastcifar.statistics import Estimate, Share, t_half


def test_a_mean_worked_by_hand():
    estimate = Estimate.of([1, 2, 3])  # t of 2 degrees of freedom: 4.3027
    assert (estimate.n, estimate.mean, estimate.sd) == (3, 2, 1)
    assert estimate.half == pytest.approx(4.302653 / 3**0.5, rel=1e-6)
    assert (estimate.low, estimate.high) == (2 - estimate.half, 2 + estimate.half)
    assert str(estimate) == "2.00 ± 2.48 (n 3)"


def test_too_few_for_an_interval():
    nothing = {"n": 0, "mean": None, "sd": None, "low": None, "high": None, "skewed": False}
    assert Estimate.of([5.0]).to_dict() == {"n": 1, "mean": 5.0, "sd": None, "low": None, "high": None, "skewed": False}
    assert Estimate.of([]).to_dict() == nothing
    assert (str(Estimate.of([5.0])), str(Estimate.of([]))) == ("5.00 (n 1)", "none")


def test_the_same_number_again_and_again_has_no_spread():
    assert Estimate.of([0.1] * 7).sd == Estimate.of([0.1] * 7).half == 0  # numpy alone says 1e-17


@pytest.mark.parametrize("n", [5, 10, 20])
def test_the_interval_holds_the_mean_in_95_of_100(n):
    values = np.random.default_rng(n).normal(3, 2, (20_000, n))
    held = np.mean(abs(values.mean(1) - 3) <= t_half(values))
    assert abs(held - 0.95) < 0.006  # four standard errors


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_shares_as_published(count, n, low, high):
    """Newcombe, Statistics in Medicine 17 (1998), table I, method 3."""
    assert Share(count=count, n=n).interval == pytest.approx((low, high), abs=6e-5)
    mirrored = Share(count=n - count, n=n)
    assert mirrored.interval == pytest.approx((1 - high, 1 - low), abs=6e-5)
    assert 0 <= mirrored.interval[0] <= mirrored.share <= mirrored.interval[1] <= 1


def test_a_share_of_nothing():
    assert Share(count=0, n=0).to_dict() == {"count": 0, "n": 0, "share": None, "low": 0, "high": 1}
