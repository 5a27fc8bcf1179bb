"""Opens and closes what a running search needs: its folder, its store, its engine."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from fastcifar.experiment.engines.registry import engine_of
from fastcifar.experiment.loop import Driver
from fastcifar.experiment.objectives.base import Evaluator
from fastcifar.experiment.objectives.registry import check_recipe
from fastcifar.experiment.planning import plan_of
from fastcifar.experiment.spec import Spec
from fastcifar.experiment.store.requests import Requests
from fastcifar.experiment.store.store import FILE, Store, StoreError, locked
from fastcifar.experiment.store.trust import check_trust
from fastcifar.search.assess import Assessor
from fastcifar.search.searcher import Searcher


@contextmanager
def driving(
    folder: Path,
    spec: Spec,
    watch: Callable[[Driver], None],
    evaluator: Evaluator | None = None,
    trust: bool = False,
    *,
    searcher: Searcher | None = None,
    assessor: Assessor | None = None,
) -> Iterator[Driver]:
    """A driver for the experiment in `folder`, which is created if it does not exist; the engine closes with the block.

    evaluator, searcher, assessor: the objects themselves, where the spec has no names for them.
    trust: allow an experiment from `load` to run its command and classes; without it UntrustedError is raised.
    """
    with locked(folder), ExitStack() as opened:
        requests = Requests(folder)  # from now on requests are accepted
        check_recipe(spec, folder)
        store = Store.open(folder) if (folder / FILE).exists() else Store.create(folder, {"spec": spec.to_dict()})
        opened.callback(store.close)
        check_trust(store, spec, trust)
        engine = engine_of(spec, folder, evaluator)
        opened.callback(engine.close)
        try:
            store.set({"pid": os.getpid(), "status": "running"})
            plan = plan_of(spec, searcher, assessor)
            engine.capacity(plan.needs)  # raises if no trial fits
            driver = Driver(store, plan, engine, watch)
            driver.requests = requests
            yield driver
            store.set({"status": "stopped" if driver.stopping or driver.hopeless else "done"})
        except BaseException:
            with suppress(StoreError):  # a full disk: the first error is the one to tell
                store.set({"status": "interrupted"})
            raise
