"""`fastcifar supernet search`."""

import sys
from contextlib import closing
from dataclasses import dataclass, replace
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

from fastcifar.cli.parsing.flags import RESUMED, Count, Switch, absent, refuse_others
from fastcifar.cli.supernet.flags import LimitFlags, PlanFlags
from fastcifar.cli.training.threads import chosen_threads, set_threads
from fastcifar.machine import share_of_cores
from fastcifar.stopping import last_words

if TYPE_CHECKING:
    import pandas as pd

    from fastcifar.cli.search_view import SearchView
    from fastcifar.data import Dataset
    from fastcifar.experiment.loop import Driver
    from fastcifar.experiment.spec import Spec
    from fastcifar.search import Params
    from fastcifar.supernet import Plan, Record
    from fastcifar.supernet.search import Asked


@dataclass(frozen=True, kw_only=True)
class Search(PlanFlags, LimitFlags):
    """Find the best networks of a space: a supernet, a few trainings alone, a regression on both, a confirmation."""

    trainings: Annotated[int, arg(metavar="N")] = 12
    """Networks that are trained by themselves, for the regression."""
    confirm: Annotated[str, arg(metavar="KxN")] = "2x3"
    """Run the best K again on N fresh seeds, at full budget, beside the recipe's own network."""
    concurrency: Count = None
    """Trainings beside each other; by default one a core or one a GPU, at most 8."""
    resume: Annotated[str | None, absent("ID")] = None
    """Go on with this search (its folder, or its id under --out), with its own settings."""
    trust: Switch = False
    """With --resume: run the classes that a search names which was loaded."""

    def run(self) -> int:
        from fastcifar.cli.search_view import SearchView
        from fastcifar.experiment.session import driving
        from fastcifar.experiment.store.folders import make_folder
        from fastcifar.supernet.search import SearchError, keep

        if self.resume is None:
            if self.trust:
                raise ValueError("--trust: it goes with --resume")
            spec, asked = self._asked()
            folder = make_folder(self.out, spec.name)
        else:
            spec, asked, folder = self._resumed(self.resume)
        view = SearchView(quiet=self.json)
        going_on = f"go on with: fastcifar supernet search --resume {folder}"
        last_words(lambda: going_on)
        document, over = None, False
        try:
            with driving(folder, spec, view.watch, trust=self.trust) as driver:
                keep(driver, asked)
                document = self._searched(spec, asked, driver, view)
        except SearchError:
            over = True
            raise
        finally:
            view.close()
            if document is None and not over and folder.exists():
                print(going_on, file=sys.stderr)
        if document is None:  # Ctrl-C once: what ran has ended
            return 130
        if self.json:
            print(dumps(document, indent=2))
        return 0

    def _searched(self, spec: "Spec", asked: "Asked", driver: "Driver", view: "SearchView") -> dict[str, Any] | None:
        """The supernet, the trainings, the fit, the confirmation; the summary. None where the user has stopped it."""
        from fastcifar.cli.supernet.view import print_foretold, print_found
        from fastcifar.data import load
        from fastcifar.experiment.summary import run_again, summary
        from fastcifar.supernet import pareto
        from fastcifar.supernet.search import finalists, foretold, judged_json, plan_of
        from fastcifar.train import Recipe, describe_network
        from fastcifar.train.record.record import save_drawing
        from fastcifar.train.threads import using_threads

        name = Recipe.from_dict(spec.recipe or {}).dataset
        dataset = load(name, None if spec.data_dir is None else Path(spec.data_dir))
        if asked.seconds is None:
            spec, asked = self._measured(spec, asked, driver)
        plan = plan_of(spec, asked)
        with using_threads(asked.threads):
            record, table, chosen = self._ranked(spec, asked, plan, dataset, driver)
        view.begin(spec, driver)
        result = foretold(driver, plan.choices, table, chosen)
        if result is None:
            return None
        table, judged = result
        path = driver.store.folder / "networks.csv"
        table.to_csv(path, index=False)
        view.close()
        if not self.json:
            print_foretold(judged, pareto(table), list(plan.choices.values))
        view.show()
        found = run_again(spec, driver, finalists(plan.choices, table, spec.confirm[0]))
        view.close()
        if found is None:
            return None
        document = summary(spec, driver, found)
        front = pareto(table).to_dict("records")
        document["supernet"] = {"path": record.path, **judged_json(judged), "networks": str(path), "front": front}
        driver.store.set({"summary": document})
        if document["best"] is not None:
            best = plan.recipe.with_params(document["best"])
            save_drawing(describe_network(best, len(dataset.classes)), path.with_name("network"))
        if not self.json:
            print_found(spec, document, path.parent, record.dataset)
        return document

    def _ranked(
        self, spec: "Spec", asked: "Asked", plan: "Plan", dataset: "Dataset", driver: "Driver"
    ) -> "tuple[Record, pd.DataFrame, tuple[Params, ...]]":
        """Train the supernet and score its networks: its record, the table, the networks to train by themselves."""
        from fastcifar.cli.supernet.view import Counter, TrainView
        from fastcifar.supernet import Material, networks
        from fastcifar.supernet.search import keep, spread_points, trained

        def began(record: "Record") -> None:
            nonlocal asked
            assert record.path is not None
            asked = keep(driver, replace(asked, folder=Path(record.path).name))
            view.start(record)

        view, counter = TrainView(quiet=self.json, on_stderr=True), Counter("networks scored")
        folder = driver.store.folder
        supernet, record = trained(plan, dataset, spec.device, folder, asked.folder, view.hooks(), began)
        view.end(record)
        material = Material(record, dataset, supernet)
        limits, seconds = asked.limits, asked.seconds
        table = networks(supernet, record, material, limits=limits, seconds=seconds, seed=spec.seed, progress=counter)
        counter.end()
        if asked.chosen is None:
            asked = keep(driver, replace(asked, chosen=spread_points(plan.choices, table, asked.trainings)))
        return record, table, asked.chosen or ()

    def _measured(self, spec: "Spec", asked: "Asked", driver: "Driver") -> "tuple[Spec, Asked]":
        """With a budget that fits the device; said before anything is trained."""
        from fastcifar.cli.supernet.view import estimate
        from fastcifar.experiment.objectives.training.budget import measured
        from fastcifar.supernet.predict.ranking import check_limits, costs_of, typical
        from fastcifar.supernet.search import keep, plan_of
        from fastcifar.train import Recipe

        print("measuring what a training costs here ...", file=sys.stderr, flush=True)
        spec, _, cost = measured(spec, driver)
        whole, plan = Recipe.from_dict(spec.recipe or {}), plan_of(spec, asked)
        images = min(whole.train_images or cost.available, cost.available)
        asked = replace(asked, seconds=cost.seconds_per_work * images * whole.total_epoch)
        costs = costs_of(plan.choices, asked.seconds or 0.0)
        check_limits(plan.choices, asked.limits, costs, asked.trainings)
        keep(driver, asked)
        points = typical(plan.choices, asked.limits, costs)
        print(estimate(spec, plan, points, cost), file=sys.stderr, flush=True)
        return spec, asked

    def _resumed(self, name: str) -> "tuple[Spec, Asked, Path]":
        from fastcifar.experiment.spec import read_spec
        from fastcifar.experiment.store.folders import find_folder
        from fastcifar.experiment.store.store import Store
        from fastcifar.supernet.search import KEY, Asked

        refuse_others(self, RESUMED, "--resume: a supernet search goes on with its own settings")
        folder = find_folder(self.out, name)
        with closing(Store.read(folder)) as store:
            spec, meta = read_spec(store), store.meta()
        if KEY not in meta:
            raise ValueError(f"--resume: {folder} is no supernet's search; fastcifar search --resume goes on with it")
        return spec, Asked.from_dict(meta[KEY], folder), folder

    def _asked(self) -> "tuple[Spec, Asked]":
        """What is trained alone, and what is asked of the supernet. Raises ValueError before anything is made."""
        from fastcifar.cli.search import pair
        from fastcifar.experiment.objectives.training.budget import default_concurrency, spread
        from fastcifar.experiment.spec import Spec
        from fastcifar.supernet.predict.predictors import FEWEST
        from fastcifar.supernet.predict.ranking import check_limits, costs_of
        from fastcifar.supernet.search import Asked, check_rates
        from fastcifar.train import resolve_device

        device = resolve_device(self.device)
        name, recipe = self.find_with_images(self.recipe)
        plan = self.plan(recipe)
        if self.trainings < FEWEST:
            raise ValueError(f"--trainings: at least {FEWEST} are needed for the fit, not {self.trainings}")
        points, seeds = pair(self.confirm)
        if points < 1 or seeds < 1:
            raise ValueError(f"--confirm: at least one network and one seed are needed, not {self.confirm}")
        limits = self.limits()
        check_limits(plan.choices, limits, costs_of(plan.choices, 0.0), self.trainings)
        check_rates(plan.choices)
        gpus = spread(device)
        threads = chosen_threads(self.threads, str(device))
        concurrency = self.concurrency or default_concurrency(device, gpus, self.threads or 1)
        alone = self.threads or set_threads() or (1 if threads == 1 else share_of_cores(concurrency))
        assert self.space is not None
        spec = Spec(
            name=f"supernet-{Path(self.space).stem}",
            space=dict(plan.space),
            tuner={"name": "Random"},
            seed=self.seed,
            trials=self.trainings,
            concurrency=concurrency,
            threads=alone,
            confirm=(points, seeds),
            recipe=recipe.to_dict(),
            recipe_name=name,
            data_dir=None if self.data_dir is None else str(self.data_dir.absolute()),
            device=str(device),
            gpus=gpus,
        )
        asked = Asked(method=self.method, rates=self.rates, limits=limits, trainings=self.trainings, threads=threads)
        return spec, asked
