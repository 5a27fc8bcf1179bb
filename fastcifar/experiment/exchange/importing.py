"""Results from elsewhere, as finished trials of an experiment: what its searcher knows before it goes on."""

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastcifar.experiment.exchange.entries import Entry, read_entries
from fastcifar.experiment.gate import joined, text
from fastcifar.experiment.loop import trial_seed
from fastcifar.experiment.planning import space_of
from fastcifar.experiment.spec import read_spec
from fastcifar.experiment.store.store import FINISHED, Store, TrialRow, locked
from fastcifar.search.spaces.space import Params, Space


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What became of a file's entries. there: were trials already. others: are no finished trials of a search."""

    added: int
    there: int
    others: int


def import_trials(folder: Path, path: Path) -> Imported:
    """Add the entries of a file to an experiment that does not run.

    path: a JSON list of {"parameter": {...}, "value": x} as NNI and our export write it, or our CSV. Entries that are
    no finished trials of a search are passed over, and so are those that are there already: a trial has their point,
    their value and, where they name one, their seed; each trial stands for one entry. A limit on the number of trials
    grows by what was added.
    Raises ValueError that names the entry, StoreError where the experiment runs; then nothing is added.
    """
    with locked(folder):
        store = Store.open(folder)
        try:
            spec = read_spec(store)
            space, budget = space_of(spec)
            entries, others = read_entries(path, space, budget, lambda params: space.check(params, budget))
            rows = store.trials()
            new = _new(entries, rows, space, budget)
            first = max((row.number for row in rows), default=-1) + 1
            source = f"imported from {text(path.name)}"
            added = [(_row(one, number, spec.seed, source), list(one.reports)) for number, one in enumerate(new, first)]
            limit = {} if spec.trials is None else {"spec": spec.to_dict() | {"trials": spec.trials + len(new)}}
            store.add(added, limit)
        finally:
            store.close()
    return Imported(added=len(new), there=len(entries) - len(new), others=others)


def _new(entries: Iterable[Entry], rows: Iterable[TrialRow], space: Space, budget: str | None) -> list[Entry]:
    """The entries that are not among the trials."""

    def place(params: Params, value: float | None) -> tuple[bytes, Any, float | None]:
        of_space = {name: one for name, one in params.items() if name != budget}
        return space.encode(of_space).tobytes(), params.get(budget or ""), value

    seeds: dict[tuple[bytes, Any, float | None], list[int]] = {}  # of the trials that no entry has met
    for row in rows:
        if row.kind == "search" and row.state == FINISHED:
            with suppress(ValueError):  # one that the store has damaged
                seeds.setdefault(place(row.params, row.value), []).append(row.seed)
    new = []
    for entry in entries:
        there, seed = seeds.get(place(entry.params, entry.value), []), entry.seed
        if there and seed is None:
            there.pop()
        elif seed in there:
            there.remove(seed)
        else:
            new.append(entry)
    return new


def _row(entry: Entry, number: int, seed: int, message: str) -> TrialRow:
    started, ended = entry.times or (time.time(),) * 2
    return TrialRow(
        number=number,
        kind="search",
        params=entry.params,
        seed=trial_seed(seed, number) if entry.seed is None else entry.seed,
        state=FINISHED,
        value=entry.value,
        metrics=entry.metrics,
        message=joined(message, entry.left_out),
        started=started,
        ended=ended,
    )
