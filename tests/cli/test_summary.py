"""The lines under many runs, of results that are made up."""

import pytest
from made_results import made

from fastcifar.cli.training.summary import comparison_lines, run_lines
from fastcifar.statistics import few
from fastcifar.train import compare_results
from fastcifar.train.comparing.many import summarise

SKEWED = "the accuracies are skewed: the interval covers Student's and the bootstrap's together"


@pytest.mark.parametrize(
    ("accuracies", "told"),
    [
        ([0.90], []),
        ([0.90, 0.92], [few(2)]),
        ([0.90, 0.91, 0.93, 0.92], [few(4)]),
        ([0.90, 0.91, 0.92, 0.93, 0.94], []),
        ([0.93, 0.94, 0.936, 0.937, 0.84], [SKEWED]),
    ],
)
def test_what_an_interval_trusts_in(accuracies, told):
    lines = run_lines(summarise([made(seed, value) for seed, value in enumerate(accuracies)]), len(accuracies))
    assert lines[0].startswith("valid acc: mean ") and [line for line in lines if line in (SKEWED, few(2))] == told


def test_the_interval_of_skewed_accuracies_reaches_further_down():
    summary = summarise([made(seed, value) for seed, value in enumerate([0.93, 0.94, 0.936, 0.937, 0.84])])
    (line, *_) = run_lines(summary, 5)
    low, high = 100 * summary.accuracy.low, 100 * summary.accuracy.high
    assert f"95 % interval {low:.2f} to {high:.2f}, 5 runs" in line and 100 * 0.9166 - low > high - 100 * 0.9166 + 1


@pytest.mark.parametrize(("count", "told"), [(3, True), (4, True), (5, False)])
def test_few_pairs(count, told):
    a, b = ([made(seed, value + 0.001 * seed**side) for seed in range(count)] for side, value in ((1, 0.9), (2, 0.91)))
    assert (few(3) in comparison_lines(compare_results(a, b), count)) == told
