"""Assessors on curves made by hand."""

import pytest

from fastcifar.search import ASHA, History, MedianStop, Space

SPACE = Space.from_dict({"x": {"_type": "uniform", "_value": [0, 1]}})


def make_history(finished, maximize=False):
    """A history with finished trials of these curves."""
    history = History(SPACE, maximize)
    for curve in finished:
        run(history, curve)
        history.end(len(history) - 1, curve[-1])
    return history


def run(history, curve):
    number = history.start({"x": 0.5})
    for value in curve:
        history.report(number, value)
    return number


CURVES = [[5, 4, 3], [6, 6, 6], [9, 8, 7]]  # averages after 2 reports: 4.5, 6, 8.5; after 3: 4, 6, 8


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("curve", "goes_on"),
    [([7, 6.5], False), ([7, 6], True), ([5.9, 99], True), ([7], False), ([6], True), ([9, 9, 6.1], False)],
)
def test_median_stop(curve, goes_on, sign):
    history = make_history([[sign * v for v in c] for c in CURVES], maximize=sign < 0)
    assert MedianStop().assess(history, run(history, [sign * v for v in curve])) == goes_on


def test_median_stop_waits():
    history = make_history(CURVES)
    assert MedianStop(start_step=2).assess(history, run(history, [99]))
    assert not MedianStop(start_step=2).assess(history, run(history, [99, 99]))
    assert MedianStop().assess(history, run(history, []))
    empty = make_history([])
    assert MedianStop().assess(empty, run(empty, [9]))  # nothing to compare with
    assert MedianStop().assess(history, run(history, [9, 9, 9, 9]))  # no other has come that far


@pytest.mark.filterwarnings("error")
def test_median_stop_where_nothing_is_a_number():
    nan, inf = float("nan"), float("inf")
    history = make_history([[nan, 1], [nan, 1], [inf, 1], [-inf, 1]])
    assert MedianStop().assess(history, run(history, [nan]))  # no worse than the others
    history = make_history([[inf, -inf, 1], [-inf, inf, 1]])
    assert MedianStop().assess(history, run(history, [nan, nan]))
    history = make_history([[1, 1]])
    assert not MedianStop().assess(history, run(history, [nan]))


@pytest.mark.parametrize("sign", [1, -1])
def test_asha(sign):
    """Rungs after 1, 3 and 9 reports, one in three goes on."""
    history = History(SPACE, maximize=sign < 0)
    asha = ASHA()
    judged = [asha.assess(history, run(history, [sign * value])) for value in (5, 6, 4, 7, 3, 4.5, 1)]
    # Best so far; worse; best; worse; best; of six (4.5 has two better, two may go on); best.
    assert judged == [True, False, True, False, True, False, True]
    trial = run(history, [sign * 2])
    history.report(trial, sign * 2)
    assert asha.assess(history, trial)  # 2 reports: no rung
    history.report(trial, sign * 9)
    assert asha.assess(history, trial)  # the first at the second rung


def test_a_report_that_is_not_a_number_counts_as_the_worst():
    history = make_history(CURVES)
    assert not MedianStop().assess(history, run(history, [float("nan")]))
    with pytest.raises(ValueError, match="not running"):
        history.report(0, 1.0)
