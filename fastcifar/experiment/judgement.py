"""The verdict on a search's best point, from its confirmation: one word, and one line."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastcifar.names import counted
from fastcifar.statistics import MIN_PAIRS, Estimate, selection_factor

BETTER, NOT_SHOWN, WORSE = "better", "not_shown", "worse"  # than the default
CONFIRMED, NOT_CONFIRMED = "confirmed", "not_confirmed"  # where there is no default, or no confirmation
WORDS = {
    BETTER: "better",
    NOT_SHOWN: "not shown to be better",
    WORSE: "worse",
    CONFIRMED: "confirmed",
    NOT_CONFIRMED: "not confirmed",
}


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """outcome: one of WORDS. text: the line that is printed."""

    outcome: str
    text: str


def judged(gain: Estimate, maximize: bool) -> str:
    """BETTER, WORSE or NOT_SHOWN, by the 95 % interval of the best point minus the default, paired by seed.

    Fewer than MIN_PAIRS pairs show nothing; nor do pairs that all differ by the same number.
    """
    if gain.n < MIN_PAIRS or gain.half == 0:
        return NOT_SHOWN
    low, high = (gain.low, gain.high) if maximize else (-gain.high, -gain.low)
    if low > 0:
        return BETTER
    return WORSE if high < 0 else NOT_SHOWN


def judge(spec: Mapping[str, Any], confirmed: Mapping[str, Any] | None) -> Judgement:
    """Judge the confirmation: by test accuracies if there are any, because the held-out images have chosen the best.

    spec, confirmed: as stored; `confirmed` is None without a confirmation.
    """
    if confirmed is None:
        return Judgement(outcome=NOT_CONFIRMED, text="not confirmed: the results are of the search's own trials")
    who, count = name_of_best(confirmed), 1 + len(confirmed["others"])
    if confirmed["default"] is None:
        result = _widened(estimate_of(confirmed["best"]["result"]), count, against_other=False)
        allows = "; the interval allows for the choice" if count > 1 and 0 < result.half < math.inf else ""
        text = f"confirmed: the result of the {who} is {amount(result, percents(spec))}{allows}"
        return Judgement(outcome=CONFIRMED, text=text)
    gain, test = (estimate_of(confirmed.get(name)) for name in ("better_than_default", "better_on_test"))
    if not confirmed.get("allows_for_choice"):  # of an older version
        gain = _widened(gain, count)
    if percents(spec) and test.n:
        outcome, why = judged(test, spec["maximize"]), _why(test, spec, " on test") + _chosen_by(gain, count)
    else:
        outcome, why = judged(gain, spec["maximize"]), _why_chosen(gain, test, spec, count)
    return Judgement(outcome=outcome, text=f"the {who} is {WORDS[outcome]} than {spec['recipe_name']}: {why}")


def name_of_best(confirmed: Mapping[str, Any]) -> str:
    """The name of the best confirmed point in messages."""
    points = 1 + len(confirmed["others"])
    return "chosen point" if points == 1 else f"best of {points}"


def percents(spec: Mapping[str, Any]) -> bool:
    """Whether a search's results are accuracies in percent."""
    return spec["recipe"] is not None and spec["metric"] == "default"


def amount(one: Estimate, percent: bool) -> str:
    """A result with its interval, if any: in percent for accuracies, otherwise with 6 digits."""
    if not one.n:
        return "-"
    return _number(one, percent) + (" %" if percent else "")


def estimate_of(document: Mapping[str, Any] | None) -> Estimate:
    """An estimate from its JSON values, which have no `sd`."""
    if document is None or not document["n"]:
        return Estimate.of([])
    half = document["half_interval"]
    return Estimate(n=document["n"], mean=document["mean"], sd=math.nan, half=math.inf if half is None else half)


def _widened(one: Estimate, count: int, against_other: bool = True) -> Estimate:
    """The estimate with an interval that allows for its choice as the best of `count`."""
    return one if one.n < 2 else one.wider(selection_factor(one.n, count, 1.0, against_other))


def _why(claim: Estimate, spec: Mapping[str, Any], where: str) -> str:
    """The difference on the images, or in the metric, that decides the verdict; or why it decides nothing."""
    percent = percents(spec)
    unit = " points" if percent else ""
    if claim.n == 0:
        return "no pair of trainings finished"
    mean = _number(Estimate.of([claim.mean]), percent, "+") + unit
    if claim.n < MIN_PAIRS:
        return f"{counted(claim.n, 'pair')} finished, {MIN_PAIRS} are needed; the difference is {mean}{where}"
    if claim.half == 0:
        what = f"they are equal{where}" if claim.mean == 0 else f"the difference is {mean}{where}"
        return f"{what} in each of {claim.n} pairs" + ("" if claim.mean == 0 else "; chance needs a spread")
    return f"{_number(claim, percent, '+')}{unit}{where} ({claim.n} pairs by seed, 95 % interval)"


def _chosen_by(gain: Estimate, count: int) -> str:
    """The difference on the images that chose the winner."""
    if not gain.n:
        return ""
    return f"; {_number(gain, True, '+')} on the holdout" + (", by which it was chosen" if count > 1 else "")


def _why_chosen(gain: Estimate, test: Estimate, spec: Mapping[str, Any], count: int) -> str:
    """The reason in the case that only the numbers that chose the winner can judge it."""
    why = _why(gain, spec, " on the holdout" if percents(spec) else f" of {spec['metric']}")
    if count > 1 and 0 < gain.half < math.inf:
        why = why.replace("95 % interval", "95 % interval that allows for the choice by them")
    return why + (f"; {_number(test, True, '+')} points on test" if test.n else "")


def _number(one: Estimate, percent: bool, sign: str = "") -> str:
    digits, half = (".2f", ".2f") if percent else (".6g", ".2g")
    return f"{one.mean:{sign}{digits}}" + (f" ± {one.half:{half}}" if math.isfinite(one.half) else "")
