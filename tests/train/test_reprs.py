"""What a Python prompt shows of a result: one line, without arrays."""

from made_results import made

from fastcifar.train import compare_results, summarise


def test_of_a_run(recipe):
    result = made(3, 0.8425)
    assert repr(result) == "Result(made, seed 3, finished, 1 epoch, 84.25 %, 2 s, not kept)"
    result.path, result.tta_acc, result.epochs = "runs/one", 0.85, [*result.epochs, *result.epochs]
    assert repr(result) == "Result(made, seed 3, finished, 2 epochs, 85.00 %, 2 s, runs/one)"
    result = made(0, 0.1, status="interrupted")
    assert repr(result) == "Result(made, seed 0, interrupted, 1 of 24 epochs, 10.00 %, 2 s, not kept)"
    result.epochs = []
    assert repr(result) == "Result(made, seed 0, interrupted, 0 of 24 epochs, not kept)"


def test_of_many_runs():
    runs = [made(seed, accuracy) for seed, accuracy in enumerate([0.92, 0.94, 0.96])]
    text = "Summary(3 runs, 94.00 % ± 4.97, 2.5 s each"
    assert repr(summarise(runs)) == text + ")"
    assert repr(summarise(runs, target=0.94)) == text + ", 2 reached 94 %)"
    runs.append(made(3, 0.1, status="diverged"))
    assert repr(summarise(runs)) == "Summary(4 runs, 1 diverged, 94.00 % ± 4.97, 2.5 s each)"
    assert repr(summarise(runs[:1])) == "Summary(1 run, 92.00 %, 2.5 s each)"
    assert repr(summarise([])) == "Summary(0 runs)"


def test_of_a_comparison():
    a = [made(seed, accuracy) for seed, accuracy in enumerate([0.92, 0.94, 0.96])]
    b = [made(seed, accuracy) for seed, accuracy in enumerate([0.93, 0.955, 0.97])]
    text = repr(compare_results(a, b))
    assert text.startswith("Comparison(3 pairs: B is better: B less A is +1.17 points") and len(text) < 240
    assert repr(compare_results(a[:1], b[:1])) == (
        "Comparison(1 pair: too few for a verdict: 1 pairs finished, 3 are needed)"
    )
