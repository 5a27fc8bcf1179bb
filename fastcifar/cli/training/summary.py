"""The summary of many runs or of a comparison: the lines under their rows."""

from collections.abc import Iterable, Sequence

from fastcifar.statistics import Estimate, Paired, few
from fastcifar.train import Comparison, Result, Summary
from fastcifar.train.comparing.alike import mixed, mixed_line
from fastcifar.train.comparing.group import Group
from fastcifar.train.comparing.verdict import verdict


def group_lines(group: Group, results: Iterable[Result]) -> list[str]:
    """Notes on how the runs were made, for the reader of the figures."""
    lines = []
    if group.extended:
        before = ", then ".join(map(str, group.extended))
        lines.append(
            f"asked for {before}, and for {group.runs} after these had ended; if the extension depended on their "
            "results, the intervals are too narrow"
        )
    return [*lines, *filter(None, [mixed_line(mixed(results))])]


def run_lines(summary: Summary, wanted: int) -> list[str]:
    """The accuracy in percent, the mean times, the share of runs that reached the target, and diverged runs."""
    lines = [f"{summary.runs} of {wanted} runs ended"] if summary.runs < wanted else []
    accuracy, n = summary.accuracy, summary.accuracy.n
    if n:
        if summary.seconds["tta"].mean > 0:
            lines.append(f"acc over views: {_accuracy(accuracy)}")
        lines.append(f"valid acc: {_accuracy(summary.valid_acc)}")
        lines += filter(None, [few(n)])
        if accuracy.skewed or summary.valid_acc.skewed:
            lines.append("the accuracies are skewed: the interval covers Student's and the bootstrap's together")
        means = ", ".join(f"{part} {times.mean:.2f}" for part, times in summary.seconds.items() if times.mean > 0)
        lines.append(f"mean seconds: {means}")
    if summary.reached is not None and summary.target is not None and summary.runs:
        share, (low, high) = summary.reached, summary.reached.interval
        lines.append(
            f"reached {100 * summary.target:g} %: {share.count} of {share.n} runs, {100 * share.share:.1f} % "
            f"(95 % interval {100 * low:.1f} to {100 * high:.1f})"
        )
    if summary.diverged:
        seeds = ", ".join(map(str, summary.diverged))
        told = " and did not reach the target" if summary.reached is not None else ""
        lines.append(
            f"{len(summary.diverged)} of {summary.runs} runs diverged{told} (seed {seeds}); they are in no mean"
        )
    return lines


def _accuracy(accuracy: Estimate) -> str:
    text = f"mean {100 * accuracy.mean:.2f} %"
    if accuracy.n > 1:
        text += f", standard deviation {100 * accuracy.sd:.2f}"
        text += f", 95 % interval {100 * accuracy.low:.2f} to {100 * accuracy.high:.2f}, {accuracy.n} runs"
    return text


def comparison_lines(
    comparison: Comparison, wanted: int, more: Sequence[str] = (), help: Sequence[str] = ()
) -> list[str]:
    """The table of differences, the power of the pairs, the verdict, and advice.

    more: lines before the verdict.
    """
    lines = [f"{len(comparison.pairs)} of {wanted} pairs finished"] if len(comparison.pairs) < wanted else []
    accuracy = comparison.accuracy
    if accuracy is not None:
        lines.append(_line("", "A", "B", "B - A", "95 % interval", "bootstrap", "p"))
        lines.append(_difference("accuracy, %", accuracy, 2, scale=100))
        views = any(one.seconds["tta"].mean > 0 for one in (comparison.a, comparison.b))
        if comparison.valid_acc is not None and views:
            lines.append(_difference("no views, %", comparison.valid_acc, 2, scale=100))
        lines += [
            _difference(f"{part}, s", times, 3) for part, times in comparison.seconds.items() if times.a or times.b
        ]
        ratios = (
            f"{part} {found['mean']:.3f} ({found['low']:.3f} to {found['high']:.3f})"
            for part, found in comparison.ratios.items()
            if found is not None
        )
        if comparison.ratios:
            lines.append(f"B / A: {', '.join(ratios)}")
        if accuracy.difference.sd > 0:
            told = f"{len(comparison.pairs)} pairs detect {100 * accuracy.detectable:.2f} points in 80 of 100 cases"
            if comparison.delta is not None and comparison.pairs_needed is not None:
                told += f"; {100 * comparison.delta:g} points need {comparison.pairs_needed:,} pairs"
            lines += filter(None, [told, few(len(comparison.pairs))])
    lines += [*more, f"verdict: {verdict(comparison)}"]
    return [*lines, "what would help:", *(f"- {line}" for line in help)] if help else lines


def _difference(name: str, found: Paired, digits: int, scale: float = 1.0) -> str:
    difference = found.difference

    def interval(low: float, high: float) -> str:
        return f"{scale * low:+.{digits}f} to {scale * high:+.{digits}f}"

    return _line(
        name,
        f"{scale * found.a:.{digits}f}",
        f"{scale * found.b:.{digits}f}",
        f"{scale * difference.mean:+.{digits}f}",
        interval(difference.low, difference.high),
        "-" if found.bootstrap is None else interval(*found.bootstrap),
        "-" if found.p_value is None else f"{found.p_value:.2g}",
    )


def _line(name: str, *cells: str) -> str:
    widths = (10, 10, 10, 22, 22, 9)
    return f"{name:<12}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
