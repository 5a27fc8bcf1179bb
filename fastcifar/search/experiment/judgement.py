"""What the confirmation of a search says of its best point: one word, and one line."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastcifar.names import counted
from fastcifar.statistics import MIN_PAIRS, Estimate

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
    """BETTER, WORSE or NOT_SHOWN, by the 95 % interval of the best point's results less the default's, seed by seed.

    Fewer than MIN_PAIRS pairs show nothing, nor do pairs that all differ by the same number.
    """
    if gain.n < MIN_PAIRS or gain.half == 0:
        return NOT_SHOWN
    low, high = (gain.low, gain.high) if maximize else (-gain.high, -gain.low)
    if low > 0:
        return BETTER
    return WORSE if high < 0 else NOT_SHOWN


def judge(spec: Mapping[str, Any], confirmed: Mapping[str, Any] | None) -> Judgement:
    """Judge what was confirmed. spec, confirmed: as the store has them; `confirmed` is None where nothing was."""
    if confirmed is None:
        return Judgement(outcome=NOT_CONFIRMED, text="not confirmed: the results are of the search's own trials")
    who = name_of_best(confirmed)
    if confirmed["default"] is None:
        result = amount(estimate_of(confirmed["best"]["result"]), percents(spec))
        return Judgement(outcome=CONFIRMED, text=f"confirmed: the result of the {who} is {result}")
    gain = estimate_of(confirmed["better_than_default"])
    outcome = judged(gain, spec["maximize"])
    text = f"the {who} is {WORDS[outcome]} than {spec['recipe_name']}"
    return Judgement(outcome=outcome, text=f"{text}: {_why(gain, spec, confirmed.get('better_on_test'))}")


def name_of_best(confirmed: Mapping[str, Any]) -> str:
    """What the best of the confirmed points is called."""
    points = 1 + len(confirmed["others"])
    return "chosen point" if points == 1 else f"best of {points}"


def percents(spec: Mapping[str, Any]) -> bool:
    """Whether the results of a search are accuracies, in percent."""
    return spec["recipe"] is not None and spec["metric"] == "default"


def amount(one: Estimate, percent: bool) -> str:
    """A result with its interval, where it has one: percent of images, or 6 digits of anything else."""
    if not one.n:
        return "-"
    return _number(one, percent) + (" %" if percent else "")


def estimate_of(document: Mapping[str, Any] | None) -> Estimate:
    """An estimate from its JSON values, which are without `sd`."""
    if document is None or not document["n"]:
        return Estimate.of([])
    half = document["half_interval"]
    return Estimate(n=document["n"], mean=document["mean"], sd=math.nan, half=math.inf if half is None else half)


def _why(gain: Estimate, spec: Mapping[str, Any], on_test: Mapping[str, Any] | None) -> str:
    """The difference, or why it says nothing."""
    percent = percents(spec)
    unit = " points" if percent else ""
    if gain.n == 0:
        return "no pair of trainings finished"
    mean = _number(Estimate.of([gain.mean]), percent, "+") + unit
    if gain.n < MIN_PAIRS:
        return f"{counted(gain.n, 'pair')} finished, {MIN_PAIRS} are needed; the difference is {mean}"
    if gain.half == 0:
        what = "they are equal" if gain.mean == 0 else f"the difference is {mean}"
        return f"{what} in each of {gain.n} pairs" + ("" if gain.mean == 0 else "; chance needs a spread")
    where = " on the holdout" if percent else f" of {spec['metric']}"
    test = estimate_of(on_test)
    also = f", {_number(test, True, '+')} on test" if test.n else ""
    return f"{_number(gain, percent, '+')}{unit}{where}{also} ({gain.n} pairs by seed, 95 % interval)"


def _number(one: Estimate, percent: bool, sign: str = "") -> str:
    digits, half = (".2f", ".2f") if percent else (".6g", ".2g")
    return f"{one.mean:{sign}{digits}}" + (f" ± {one.half:{half}}" if math.isfinite(one.half) else "")
