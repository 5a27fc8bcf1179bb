"""A driver's engine without processes, and a plan for it."""

import time
from dataclasses import replace

from fastcifar.experiment.engines.base import Ended, Report
from fastcifar.experiment.loop import Limits, Plan
from fastcifar.search import Random, Space

ENTRIES = {"x": {"_type": "uniform", "_value": [0, 1]}, "k": {"_type": "choice", "_value": ["a", "b", "c"]}}
SPACE = Space.from_dict(ENTRIES)
SMALL = {"k": {"_type": "choice", "_value": [1, 2, 3, 4, 5]}}


class Scripted:
    """An engine without processes. script: a generator function of a trial, of its reports; it returns the result."""

    def __init__(self, script):
        self.script, self.live, self.ready, self.started, self.most, self.ended = script, {}, [], [], 0, []

    def capacity(self, needs):
        return float("inf")

    def start(self, trial):
        assert trial.number not in self.live
        self.live[trial.number] = self.script(trial)
        self.ready.append(trial.number)
        self.started.append(trial)
        self.most = max(self.most, len(self.live))

    def events(self, timeout):
        events, self.ended = self.ended, []
        ready, self.ready = self.ready, []
        for number in ready:
            if number not in self.live:
                continue
            try:
                events.append(Report(number=number, value=next(self.live[number])))
                continue
            except StopIteration as end:
                value = end.value
            except Exception as error:
                value = str(error)
            del self.live[number]
            if isinstance(value, str):
                events.append(Ended(number=number, message=value))
            elif isinstance(value, dict):
                events.append(Ended(number=number, value=value.pop("default"), metrics=value))
            else:
                events.append(Ended(number=number, value=value))
        return events

    def go_on(self, number):
        assert number in self.live
        self.ready.append(number)

    def stop(self, number):
        if self.live.pop(number, None) is not None:
            self.ended.append(Ended(number=number, message="stopped"))

    def close(self):
        assert not self.live


def plain(trial):
    return trial.params["x"]
    yield


def endless(trial):
    while True:
        time.sleep(0.001)
        yield 1.0


def plan(**changes):
    return replace(Plan(space=SPACE, searcher=Random(), limits=Limits(trials=6)), **changes)
