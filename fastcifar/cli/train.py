"""The command `fastcifar train`."""

import sys
from dataclasses import dataclass, fields
from json import dumps
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from fastcifar.cli.flags import Count, absent, found_under, parse_settings
from fastcifar.cli.run_flags import RunFlags
from fastcifar.cli.threads import say
from fastcifar.errors import Failure

if TYPE_CHECKING:
    from fastcifar.data import Dataset
    from fastcifar.train import Hooks, Recipe, Result


@dataclass(frozen=True, kw_only=True)
class Train(RunFlags):
    """Train a network, print its epoch table, and keep the run under --out; or many, and sum them up."""

    recipe: Positional[Annotated[str | None, absent("[RECIPE]")]] = None
    """A named recipe (`fastcifar recipes`) or a JSON file; by default resnet9 on a GPU, resnet9-tiny on a CPU."""
    seed: Annotated[int, arg(metavar="N")] = 0
    """Decides weights, order and augmentation."""
    resume: Annotated[str | None, absent("RUN")] = None
    """Continue this run (its folder, or its id under --out) from its last checkpoint, with its own settings."""
    runs: Count = None
    """Train so many times, with the seeds from --seed on; print a row for each, then means with 95 % intervals."""
    target: Annotated[float | None, absent("PERCENT")] = None
    """With --runs: an accuracy, e.g. 94; print the share of the runs that reached it."""
    json: bool = False
    """Print the run's record, or the summary of many, as one JSON document instead of the table."""

    def run(self) -> int:
        from fastcifar.cli.show import RunView

        if self.resume is None and self.runs is not None:
            return self._many()
        if self.resume is None and self.target is not None:
            raise ValueError("--target: one run has no share that reaches it; give --runs, too")
        view = RunView(quiet=self.json)
        try:
            begin = self._start if self.resume is None else self._continue
            result = begin(view.hooks())
        except KeyboardInterrupt:
            view.interrupted()
            raise
        view.end(result)
        if self.json:
            print(dumps(result.to_dict(), indent=2))
        if result.status == "diverged":
            print(f"fastcifar: {result.message}; the record says diverged", file=sys.stderr)
        return 1 if result.status == "diverged" else 0

    def _many(self) -> int:
        """Train again and again; whatever ends it, sum up the runs that have ended."""
        from fastcifar.cli.runs_view import RunsView
        from fastcifar.cli.show import banner
        from fastcifar.cli.summary import run_lines
        from fastcifar.train import train
        from fastcifar.train.documents import runs_document
        from fastcifar.train.many import MIN_RUNS, summarise, warm

        assert self.runs is not None
        if self.runs < MIN_RUNS:
            raise ValueError(f"--runs: at least {MIN_RUNS} are needed for a standard deviation, not {self.runs}")
        if self.target is not None and not 1 < self.target <= 100:
            raise ValueError(f"--target: an accuracy in percent is needed, such as 94, not {self.target:g}")
        settings = self.settings()  # before the images are looked for
        name, recipe, dataset = self._prepared()
        warm(recipe, dataset, **settings)
        seeds = range(self.seed, self.seed + self.runs)
        text = f"seeds {seeds[0]} to {seeds[-1]}"
        view = RunsView([""] * self.runs, lambda result: banner(result, text), recipe.tta != "none", self.json)
        early: BaseException | None = None
        try:
            for seed in seeds:
                view.ran(train(recipe, dataset, seed, name=name, hooks=view.hooks(), **settings))
        except (KeyboardInterrupt, Failure) as error:
            if not view.ended_early():
                raise
            early = error
        results = view.results[""]
        summary = summarise(results, None if self.target is None else self.target / 100)
        if self.json:
            print(dumps(runs_document(results, summary, self.runs, early), indent=2))
        else:
            view.end(run_lines(summary, self.runs))
        if early is not None:
            raise early
        return 1 if summary.diverged else 0

    def _prepared(self) -> "tuple[str, Recipe, Dataset]":
        """The recipe's name, the recipe, and its images."""
        from fastcifar.train import resolve_device
        from fastcifar.train.networks import check_used

        device = resolve_device(self.device)
        name, recipe = self.find(self.recipe or ("resnet9-tiny" if device.type == "cpu" else "resnet9"))
        check_used([recipe], parse_settings(self.set))
        return name, *self.load(recipe)

    def _start(self, hooks: "Hooks") -> "Result":
        from fastcifar.train import train

        settings = self.settings()  # before the images are looked for
        name, recipe, dataset = self._prepared()
        return train(recipe, dataset, self.seed, name=name, hooks=hooks, **settings)

    def _continue(self, hooks: "Hooks") -> "Result":
        from fastcifar.data import load
        from fastcifar.train import load_result, resume
        from fastcifar.train.threads import kept_threads

        assert self.resume is not None
        allowed = {"resume", "out", "data_dir", "json", "debug"}
        for field in fields(self):
            if field.name not in allowed and getattr(self, field.name) != field.default:
                name = field.name.replace("_", "-")
                raise ValueError(f"--resume: a run is continued with its own recipe and settings; leave {name} out")
        path = found_under(self.out, self.resume)
        result = load_result(path)
        say(kept_threads(result.provenance["threads"])[1])
        dataset = load(result.recipe.dataset, self.data_dir)
        return resume(path, dataset, hooks=hooks)
