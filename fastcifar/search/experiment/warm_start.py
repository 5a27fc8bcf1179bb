"""Results from elsewhere, as finished trials of an experiment: what its searcher knows before it goes on."""

import time
from pathlib import Path

from fastcifar.search.experiment.driver import trial_seed
from fastcifar.search.experiment.entries import Entry, read_entries
from fastcifar.search.experiment.fits import check_fits
from fastcifar.search.experiment.spec import Spec
from fastcifar.search.experiment.store import FINISHED, Store, TrialRow, locked


def import_trials(folder: Path, path: Path) -> tuple[int, int]:
    """Add the entries of a file to an experiment that does not run; return how many, and how many were passed over.

    path: a JSON list of {"parameter": {...}, "value": x} as NNI and our export write it, or our CSV. Entries that are
    no finished trials of a search are passed over. A limit on the number of trials grows by what was added.
    Raises ValueError that names the entry, StoreError where the experiment runs; then nothing is added.
    """
    with locked(folder):
        store = Store.open(folder)
        try:
            spec = Spec.from_dict(store.meta()["spec"])
            plan = spec.plan()
            entries, others = read_entries(
                path, plan.space, plan.budget, lambda params: check_fits(plan.space, params, plan.budget)
            )
            first = max((row.number for row in store.trials()), default=-1) + 1
            for number, entry in enumerate(entries, first):
                store.add(_row(entry, number, spec.seed, f"imported from {path.name}"), entry.reports)
            if spec.trials is not None and entries:
                store.set({"spec": spec.to_dict() | {"trials": spec.trials + len(entries)}})
        finally:
            store.close()
    return len(entries), others


def _row(entry: Entry, number: int, seed: int, message: str) -> TrialRow:
    now = time.time()
    started, ended, own_seed = (entry.number(name) for name in ("started", "ended", "seed"))
    return TrialRow(
        number=number,
        kind="search",
        params=entry.params,
        seed=trial_seed(seed, number) if own_seed is None else int(own_seed),
        state=FINISHED,
        value=entry.value,
        metrics=entry.metrics,
        message=message,
        started=now if started is None or ended is None else started,
        ended=now if started is None or ended is None else ended,
    )
