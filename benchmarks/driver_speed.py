"""Milliseconds of the driver for one trial: suggestion, history, store; after 1,000 and 10,000 trials.

    python benchmarks/driver_speed.py

Trials end as they are started, in an engine that does nothing; the store is a file on disk. The searchers take turns,
25 trials each, on one thread; medians of the CPU time of 8 turns, as other processes may be at work on the machine.
Writes results/driver_speed.md.
"""

import os
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["OMP_NUM_THREADS"] = "1"

from searcher_speed import PROBLEM

from fastcifar.experiment.engines.base import Ended, Event, Needs, Trial
from fastcifar.experiment.loop import Driver, Limits, Plan, updated
from fastcifar.experiment.store.store import Store, TrialRow
from fastcifar.search import GP, TPE, Hyperband, Random, Searcher
from fastcifar.search.searcher import trial_rng
from fastcifar.train import resolve_device
from fastcifar.train.record.provenance import provenance

RESULTS = Path(__file__).parent / "results"
SIZES = (1000, 10_000)
TURNS, TRIALS = 8, 25
SEARCHERS: dict[str, Searcher] = {
    "Random": Random(),
    "TPE": TPE(),
    "GP": GP(),
    "Hyperband (R = 81)": Hyperband(high=81),
    "Hyperband with TPE": Hyperband(high=81, searcher=TPE()),
}


class Nothing:
    """An engine whose trials end at once."""

    def __init__(self) -> None:
        self.ended: list[Event] = []

    def capacity(self, needs: Needs) -> float:
        return float("inf")

    def start(self, trial: Trial) -> None:
        self.ended.append(Ended(number=trial.number, value=PROBLEM.evaluate(trial.params, 0, trial.number)))

    def events(self, timeout: float) -> list[Event]:
        events, self.ended = self.ended, []
        return events

    def go_on(self, number: int) -> None: ...

    def stop(self, number: int) -> None: ...

    def close(self) -> None: ...


def driver(folder: Path, searcher: Searcher, size: int) -> Driver:
    """A driver over a store with `size` random trials; with Hyperband of the budgets 1 to 81."""
    folder.mkdir()
    store, budget = Store.create(folder, {}), "budget" if isinstance(searcher, Hyperband) else None
    store.connection.execute("PRAGMA synchronous = OFF")
    rows = []
    for number in range(size):
        rng = trial_rng(1, number)
        params = PROBLEM.space.decode(PROBLEM.space.sample(rng)[0])
        value = PROBLEM.evaluate(params, 0, number)
        if budget:
            params[budget] = int(3 ** rng.integers(5))
        row = TrialRow(number=number, kind="search", params=params, seed=number, started=0.0, ended=1.0)
        row.state, row.value = "finished", value
        rows.append((row, list[float]()))
    store.add(rows, {})
    store.close()
    plan = Plan(space=PROBLEM.space, searcher=searcher, maximize=False, limits=Limits(trials=size), budget=budget)
    return Driver(Store.open(folder), plan, Nothing(), lambda driver: None)


def measure(folder: Path, size: int) -> dict[str, float]:
    """Median CPU milliseconds of a trial, by searcher."""
    drivers = {
        name: driver(folder / f"{size}-{number}", one, size) for number, (name, one) in enumerate(SEARCHERS.items())
    }
    times: dict[str, list[float]] = {name: [] for name in drivers}
    for turn in range(TURNS + 1):
        for name, one in drivers.items():
            one.plan = updated(one.plan, {"trials": len(one.history) + TRIALS})
            began = time.process_time()
            one.search()
            if turn:  # the first reads what is there
                times[name].append((time.process_time() - began) / TRIALS)
    return {name: 1e3 * statistics.median(found) for name, found in times.items()}


def main() -> None:
    with TemporaryDirectory() as folder:
        found = {size: measure(Path(folder), size) for size in SIZES}
    device = provenance(resolve_device("cpu"))["device"]
    lines = [
        "# Milliseconds of the driver for one trial",
        "",
        f"CPU time, 4 parameters, one thread of {device}. Made by `benchmarks/driver_speed.py`, which says how.",
        "",
        "| trials that are there | " + " | ".join(SEARCHERS) + " |",
        "| --- " * (len(SEARCHERS) + 1) + "|",
        *(f"| {size} | " + " | ".join(f"{one:.2f}" for one in found[size].values()) + " |" for size in SIZES),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    (RESULTS / "driver_speed.md").write_text(text)


if __name__ == "__main__":
    main()
