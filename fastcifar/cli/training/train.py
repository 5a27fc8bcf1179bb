"""The command `fastcifar train`."""

import sys
from dataclasses import dataclass, replace
from json import dumps
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from fastcifar.cli.parsing.flags import Count, Switch, absent, found_under, parse_settings, refuse_others
from fastcifar.cli.training.run_flags import RunFlags
from fastcifar.cli.training.threads import say
from fastcifar.stopping import last_words

if TYPE_CHECKING:
    from fastcifar.cli.training.show import RunView
    from fastcifar.data import Dataset
    from fastcifar.train import Result
    from fastcifar.train.comparing.group import Group, Side


@dataclass(frozen=True, kw_only=True)
class Train(RunFlags):
    """Train a network, print its epoch table, and keep the run under --out; or train many, and summarise them."""

    recipe: Positional[Annotated[str | None, absent("[RECIPE]")]] = None
    """A named recipe (`fastcifar recipes`) or a JSON file; by default resnet9 on a GPU, resnet9-tiny on a CPU."""
    seed: Annotated[int, arg(metavar="N")] = 0
    """Decides weights, order and augmentation."""
    resume: Annotated[str | None, absent("RUN")] = None
    """Resume this run (its folder, or its id under --out) from its last checkpoint, with its own settings; or resume
    this series of runs, where --runs may ask for more."""
    runs: Count = None
    """Train this many times, with seeds starting at --seed; print a row for each, then means with 95 % intervals."""
    target: Annotated[float | None, absent("PERCENT")] = None
    """With --runs: an accuracy, e.g. 94; print the share of the runs that reached it."""
    report_test: Switch = False
    """Evaluate the test images once, after the last epoch; use it last, after choosing with --split holdout."""
    json: Switch = False
    """Print the run's record, or the summary of many, as one JSON document instead of the table."""

    def run(self) -> int:
        from fastcifar.cli.training.show import RunView

        if self.resume is None and self.runs is not None:
            return self._many()
        if self.resume is None and self.target is not None:
            raise ValueError("--target: one run has no share that reaches it; give --runs, too")
        if self.resume is not None and (group := self._found()) is not None:
            return self._more(group)
        view = RunView(quiet=self.json)
        last_words(view.how_to_go_on)
        try:
            result = self._start(view) if self.resume is None else self._continue(view)
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
        """Train many times, and summarise the runs."""
        from fastcifar.cli.training.many import run_many
        from fastcifar.train.comparing.group import begin

        target = self._checked()
        if self.report_test:
            raise ValueError("--report-test: it is for one run; leave --runs out")
        settings = self.settings()  # before the images are looked for
        side, dataset = self._prepared()
        group = begin("runs", {"": side}, dataset, settings, seed=self.seed, runs=self.runs, target=target)
        return run_many(group, dataset, self.json)

    def _found(self) -> "Group | None":
        """The series to resume; None for a single run."""
        from fastcifar.train.comparing.group import is_group

        allowed = {"resume", "out", "data_dir", "json", "debug"}
        why = "--resume: a run is continued with its own recipe and settings"
        refuse_others(self, {*allowed, "runs", "target"}, why)
        assert self.resume is not None
        path = found_under(self.out, self.resume)
        if not is_group(path):
            refuse_others(self, allowed, why)
            return None
        from fastcifar.cli.training.many import find_group

        return find_group(path, "runs")

    def _more(self, group: "Group") -> int:
        """Resume a series."""
        from fastcifar.cli.training.many import resume_many

        return resume_many(group.asked(self.runs, target=self._checked()), self.data_dir, self.json)

    def _checked(self) -> float | None:
        """The target, a share of 1. Raises ValueError for numbers out of range."""
        from fastcifar.train.comparing.many import MIN_RUNS

        if self.runs is not None and self.runs < MIN_RUNS:
            raise ValueError(f"--runs: at least {MIN_RUNS} are needed for a standard deviation, not {self.runs}")
        if self.target is not None and not 1 < self.target <= 100:
            raise ValueError(f"--target: an accuracy in percent is needed, such as 94, not {self.target:g}")
        return None if self.target is None else self.target / 100

    def _prepared(self) -> "tuple[Side, Dataset]":
        """The recipe with its name, and its images."""
        from fastcifar.train.recipe.rules import check_used

        side = self.side(self.recipe)
        check_used([side.recipe], parse_settings(self.set))
        recipe, dataset = self.load(side.recipe)
        return replace(side, recipe=recipe), dataset

    def _start(self, view: "RunView") -> "Result":
        from fastcifar.train import train

        settings = self.settings()  # before the images are looked for
        side, dataset = self._prepared()
        view.changed = side.changed
        return train(
            side.recipe,
            dataset,
            self.seed,
            name=side.name,
            source=side.source,
            report_test=self.report_test,
            hooks=view.hooks(),
            **settings,
        )

    def _continue(self, view: "RunView") -> "Result":
        from fastcifar.data import load
        from fastcifar.train import load_result, resume
        from fastcifar.train.threads import kept_threads

        assert self.resume is not None
        path = found_under(self.out, self.resume)
        result = load_result(path)
        say(kept_threads(result.provenance["threads"])[1])
        dataset = load(result.recipe.dataset, self.data_dir)
        return resume(path, dataset, hooks=view.hooks())
