"""Each assessor of ours keeps the contract; each way to break it is found, by the sentence that names the rule."""

import numpy as np
import pytest

from fastcifar.search import ASHA, MedianStop
from fastcifar.search.history import FINISHED
from fastcifar.testing import BrokenContract, check_assessor


class Threshold:
    """Judges a trial alone: stops what has lost more than 2.5."""

    def assess(self, history, trial):
        curve = history.loss_curve(trial)
        return len(curve) == 0 or bool(curve[-1] <= 2.5)


OURS = {
    "MedianStop": (MedianStop, {}),
    "MedianStop later": (lambda: MedianStop(start_step=3), {}),
    "ASHA": (ASHA, {}),
    "ASHA of two": (lambda: ASHA(first=2, eta=2), {}),
    "a threshold": (Threshold, {"relative": False}),
}


@pytest.mark.parametrize("name", OURS)
def test_ours_keep_the_contract(name):
    make, options = OURS[name]
    check_assessor(make, **options)


class Changes(MedianStop):
    def assess(self, history, trial):
        history.states[history.states != FINISHED] = FINISHED
        return super().assess(history, trial)


class Forgets(MedianStop):
    def assess(self, history, trial):
        history.forget_reports(trial)
        return True


class Counts:
    """Every second verdict is no."""

    def __init__(self):
        self.asked = 0

    def assess(self, history, trial):
        self.asked += 1
        return self.asked % 2 == 1


class Tosses:
    def assess(self, history, trial):
        return bool(np.random.random() < 0.5)


class StopsTheFirst(MedianStop):
    def assess(self, history, trial):
        return bool((history.states == FINISHED).any()) and super().assess(history, trial)


class Turned(MedianStop):
    """Stops what is better than the median, where results are maximized."""

    def assess(self, history, trial):
        if not history.maximize or len(history.loss_curve(trial)) == 0:
            return super().assess(history, trial)
        finished = [history.loss_curve(int(number)) for number in np.flatnonzero(history.states == FINISHED)]
        lasts = [curve[-1] for curve in finished]
        return not lasts or bool(history.loss_curve(trial)[-1] >= np.nanmedian(lasts))


class NeedsReports(MedianStop):
    def assess(self, history, trial):
        history.loss_curve(trial)[-1]
        return super().assess(history, trial)


class FiniteOnly(MedianStop):
    def assess(self, history, trial):
        if not np.isfinite(history.loss_curve(trial)).all():
            raise OverflowError("not a number")
        return super().assess(history, trial)


class Numbers(MedianStop):
    def assess(self, history, trial):
        return float(super().assess(history, trial))


BROKEN = [
    (Changes, {}, r"the history is not changed: assess, after the reports \[\] with others finished, changes it"),
    (Forgets, {}, r"the history is not changed: assess, after the reports \[-inf\] with others finished, changes it"),
    (
        Counts,
        {},
        "the same history gives the same verdict: assess, .* gives True, then the same assessor, asked again, F",
    ),
    (Tosses, {}, "no global generator is drawn from or seeded: assess, .* changes the state of numpy.random"),
    (
        StopsTheFirst,
        {},
        r"a trial that has no other to be judged by goes on: assess, after the reports \[\] with no oth",
    ),
    (Threshold, {}, "a trial that has no other to be judged by goes on"),
    (
        Turned,
        {},
        "no trial is stopped where a worse one goes on: after 1 reports with others finished, negated 4.5 is",
    ),
    (NeedsReports, {}, r"assess works with any history: assess, after the reports \[\] .* raises IndexError"),
    (
        FiniteOnly,
        {},
        r"assess works with any history: assess, after the reports \[-inf\] .* OverflowError: not a number",
    ),
    (Numbers, {}, "a verdict is True or False: assess, after the reports .* gives 1.0"),
]


@pytest.mark.parametrize(("broken", "options", "sentence"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_what_breaks_the_contract_is_found(broken, options, sentence):
    with pytest.raises(BrokenContract, match=f"^{sentence}"):
        check_assessor(broken, **options)
