"""The command `fastcifar search`, which is also `python -m fastcifar.search`."""

import sys
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass, fields, replace
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

from fastcifar.cli.parsing.flags import (
    RESUMED,
    Count,
    Name,
    Settings,
    SpaceName,
    Switch,
    Time,
    absent,
    found_under,
    parse_settings,
    refuse_others,
)
from fastcifar.cli.training.run_flags import TrainingFlags
from fastcifar.cli.training.threads import set_threads, trial_threads
from fastcifar.machine import MAX_THREADS, share_of_cores
from fastcifar.stopping import last_words

if TYPE_CHECKING:
    from fastcifar.cli.search_view import SearchView
    from fastcifar.experiment.loop import Driver
    from fastcifar.experiment.spec import Spec

TRIALS = 30  # default of a search that trains
MANY = 500_000  # trials, beyond which seeds would repeat
TRAINING = (  # flags of trainings
    *("recipe", "dataset", "or_synthetic", "epochs", "set", "data_dir", "device"),
    *("max_flops", "max_params", "max_seconds"),
)


@dataclass(frozen=True, kw_only=True)
class Search(TrainingFlags):
    """Search a space: train, or run a function or a command, with many points; then confirm the best."""

    space: SpaceName = None
    """The search space, by name (`fastcifar spaces`) or as a JSON file in NNI's form."""
    recipe: Name = None
    """The recipe to train: a name or a JSON file; by default resnet9 on a GPU, resnet9-tiny on a CPU."""
    objective: Annotated[str | None, absent("MODULE:FUNCTION")] = None
    """Instead of training, call this Python function with the parameters; its return value is the result."""
    command: Annotated[str | None, absent("COMMAND")] = None
    """Instead of training, run this command, which gets its parameters and reports as NNI's trials do."""
    supernet: Annotated[str | None, absent("RUN")] = None
    """Instead of training, minimize the holdout loss of the network in this supernet (its folder, or its id under
    --out)."""
    tuner: Annotated[str, arg(metavar="NAME")] = "GP"
    """GP, TPE, Random, GridSearch, Evolution or Hyperband, which gives functions and commands a TRIAL_BUDGET; or
    a class of yours, module:Class or file.py:Class."""
    tuner_args: Settings = ()
    """Arguments of the tuner, e.g. startup=5."""
    assessor: Name = None
    """Medianstop or ASHA: stop trials that fall behind; or a class of yours, module:Class or file.py:Class."""
    assessor_args: Settings = ()
    """Arguments of the assessor, e.g. eta=4."""
    trials: Count = None
    """Number of trials; by default 30 if they train, otherwise until --duration or the end of the space."""
    duration: Time = None
    """How long to search, e.g. 45m or 2h, without the confirmation."""
    trial_duration: Time = None
    """How long one trial may take before it is ended."""
    concurrency: Count = None
    """Concurrent trials; by default 1; for trainings one per core or per GPU, at most 8 and as many as fit into the
    free memory."""
    trial_gpus: Count = None
    """GPUs that a trial of a function or command sees; if there are more trials than GPUs, they share them. A training
    has one."""
    max_failures: Count = None
    """End the search when its first N trials have all failed; by default 20; 0 means never."""
    confirm: Annotated[str | None, absent("KxN")] = None
    """Run the best K again on N fresh seeds, at full budget; by default 2x3 if trials train, otherwise 0x0."""
    seed: Annotated[int, arg(metavar="N")] = 0
    """Decides the suggestions and the seeds of the trials."""
    minimize: Annotated[str | None, absent("METRIC")] = None
    """Minimize this entry of the result; `default` is the result itself."""
    maximize: Annotated[str | None, absent("METRIC")] = None
    """Maximize this entry of the result; without either flag, `default` is maximized."""
    max_flops: Annotated[float | None, absent("N")] = None
    """Try no network with more FLOPs for one image."""
    max_params: Annotated[float | None, absent("N")] = None
    """Try no network with more parameters."""
    max_seconds: Annotated[float | None, absent("S")] = None
    """Fail a trial of the search if its training takes longer."""
    resume: Annotated[str | None, absent("ID")] = None
    """Resume this experiment (its folder, or its id under --out), with its own settings."""
    trust: Switch = False
    """With --resume: allow a loaded experiment to run its command, function and classes."""
    json: Switch = False
    """Print the summary as one JSON document."""

    def run(self) -> int:
        from fastcifar.cli.search_view import SearchView
        from fastcifar.experiment.planning import plan_of
        from fastcifar.experiment.session import driving
        from fastcifar.experiment.spec import read_spec
        from fastcifar.experiment.store.folders import find_folder, make_folder
        from fastcifar.experiment.store.store import Store

        if self.resume is not None:
            refuse_others(self, RESUMED, "--resume: an experiment goes on with its own settings")
            folder = find_folder(self.out, self.resume)
            with closing(Store.read(folder)) as store:
                spec, meta = read_spec(store), store.meta()
            if "supernet" in meta:
                raise ValueError(f"--resume: fastcifar supernet search --resume {folder} resumes this one")
        else:
            if self.trust:
                raise ValueError("--trust: it goes with --resume")
            spec = self._spec()
            plan_of(spec)  # whatever is wrong with it is said before a folder is made
            folder = make_folder(self.out, spec.name)
        view = SearchView(quiet=self.json)
        going_on = f"go on with: fastcifar search --resume {folder}"
        last_words(lambda: going_on)
        try:
            with driving(folder, spec, view.watch, trust=self.trust) as driver:
                if not driver.store.meta().get("measured"):  # also where an earlier session came no further
                    spec = self._fitted(spec, driver)
                document = self._searched(spec, driver, view)
        except KeyboardInterrupt:
            view.close()
            print(going_on, file=sys.stderr)
            raise
        finally:
            view.close()
        if self.json:
            print(dumps(document, indent=2))
        if driver.stopping and driver.ended == "it was interrupted":
            return 130
        return 0 if document["best"] is not None else 1

    def _searched(self, spec: "Spec", driver: "Driver", view: "SearchView") -> dict[str, Any]:
        """Search, confirm, sum up."""
        from fastcifar.experiment.summary import confirmed, summary

        view.begin(spec, driver)
        driver.search()
        view.searched(driver)
        found = confirmed(spec, driver)
        view.close()
        document = summary(spec, driver, found)
        view.end(spec, driver, document)
        return document

    def _spec(self) -> "Spec":
        """The spec from the flags. Raises ValueError for flags that do not fit together."""
        from fastcifar.experiment.failures import MAX_FAILURES
        from fastcifar.experiment.spec import Spec
        from fastcifar.experiment.tuners.given import recorded
        from fastcifar.rules import seconds
        from fastcifar.search.spaces.named import find_space

        self._check()
        assert self.space is not None
        name, space = find_space(self.space)
        spec = Spec(
            name=name,
            space=space,
            tuner=recorded(self.tuner, "tuner", parse_settings(self.tuner_args, "--tuner-args"), "--tuner-args"),
            assessor=self._assessor(),
            maximize=self.minimize is None and (self.supernet is None or self.maximize is not None),
            metric=self.minimize or self.maximize or "default",
            seed=self.seed,
            trials=TRIALS if self._trains and not self._limited else self.trials,
            seconds=None if self.duration is None else seconds(self.duration, "--duration"),
            trial_seconds=None if self.trial_duration is None else seconds(self.trial_duration, "--trial-duration"),
            concurrency=self.concurrency or 1,
            confirm=pair(self.confirm or ("2x3" if self._trains else "0x0")),
            function=self.objective,
            command=self.command,
            supernet=None if self.supernet is None else str(found_under(self.out, self.supernet).absolute()),
            data_dir=None if self.data_dir is None else str(self.data_dir.absolute()),
            code_directory=str(Path.cwd()),
            gpus=None if self.trial_gpus is None else {"number": self.trial_gpus, "use_active": True},
            max_flops=self.max_flops,
            max_parameters=self.max_params,
            max_seconds=self.max_seconds,
            max_failures=MAX_FAILURES if self.max_failures is None else self.max_failures,
            threads=self.threads,
        )
        return self._training(spec) if self._trains else self._calling(spec)

    def _assessor(self) -> dict[str, Any] | None:
        from fastcifar.experiment.tuners.given import recorded

        args = parse_settings(self.assessor_args, "--assessor-args")
        if self.assessor is None:
            if args:
                raise ValueError("--assessor-args: they go with --assessor")
            return None
        return recorded(self.assessor, "assessor", args)

    @property
    def _trains(self) -> bool:
        return self._instead is None

    @property
    def _instead(self) -> str | None:
        """The flag that replaces training: objective, command or supernet; None if trials train."""
        return next((name for name in ("objective", "command", "supernet") if getattr(self, name) is not None), None)

    @property
    def _limited(self) -> bool:
        return self.trials is not None or self.duration is not None

    def _calling(self, spec: "Spec") -> "Spec":
        """The spec of a function or a command. Raises ValueError if the search would not end, or no function exists."""
        from fastcifar.experiment.engines.registry import gpu_capacity
        from fastcifar.experiment.objectives.base import find_function
        from fastcifar.experiment.objectives.registry import SUPERNET
        from fastcifar.experiment.planning import plan_of
        from fastcifar.search import Space

        if not self._limited and Space.from_dict(spec.space).size() == float("inf"):
            raise ValueError("--trials or --duration: one of them is needed, the space has no end")
        if self.objective is not None:
            sys.path.insert(0, str(Path.cwd()))
            find_function(self.objective)
        if self.supernet is not None:
            from fastcifar.experiment.objectives.training.space_check import check_space  # brings torch

            evaluator = find_function(SUPERNET)(folder=Path(spec.supernet or ""))
            evaluator.check(Space.from_dict(spec.space))
            check_space(evaluator.recipe_of, plan_of(spec).space, source=str(self.space), alone=False)
        if spec.gpus is not None:
            room = gpu_capacity(spec)  # infinite where they are hidden
            spec = replace(spec, concurrency=self.concurrency or (int(room) if self.trial_gpus else 1))
        if self.command is not None:
            return spec
        return replace(spec, threads=self.threads or set_threads() or share_of_cores(spec.concurrency))

    def _training(self, spec: "Spec") -> "Spec":
        """The spec with its recipe. Raises ValueError if the space does not fit the recipe."""
        from fastcifar.experiment.objectives.registry import recipes_of
        from fastcifar.experiment.objectives.training.budget import default_concurrency, spread
        from fastcifar.experiment.objectives.training.space_check import check_space
        from fastcifar.experiment.objectives.training.trial_recipe import shares_text
        from fastcifar.search import Space
        from fastcifar.train import resolve_device

        device = resolve_device(self.device)
        name, recipe = self.find_with_images(self.recipe)
        spec, space = replace(spec, recipe=recipe.to_dict()), Space.from_dict(spec.space)
        check_space(recipes_of(spec), space, source=str(self.space), settings=parse_settings(self.set))
        text = shares_text(space, recipe.total_epoch)
        if text is not None:
            print(text, file=sys.stderr)
        args = {"high": recipe.total_epoch, "budget": "total_epoch"} | spec.tuner.get("class_args", {})
        tuner = {"name": "Hyperband", "class_args": args}
        gpus = spread(device)
        concurrency = self.concurrency or default_concurrency(device, gpus, self.threads or 1)
        return replace(
            spec,
            tuner=tuner if self.tuner.lower() == "hyperband" else spec.tuner,
            recipe_name=name,
            device=str(device),
            gpus=gpus,
            concurrency=concurrency,
            threads=trial_threads(self.threads, concurrency, str(device)),
        )

    def _fitted(self, spec: "Spec", driver: "Driver") -> "Spec":
        """For trainings: measure their cost, choose a budget that fits the device, and print both."""
        if spec.recipe is None:
            return spec
        from fastcifar.cli.search_view import estimate
        from fastcifar.experiment.objectives.training.budget import measured
        from fastcifar.train import Recipe

        print("measuring what a trial costs here ...", file=sys.stderr, flush=True)
        spec, samples, cost = measured(spec, driver)
        assert spec.recipe is not None
        print(estimate(spec, Recipe.from_dict(spec.recipe), samples, cost), file=sys.stderr, flush=True)
        return spec

    def _refuse(self, names: Collection[str], why: str) -> None:
        for field in fields(self):
            if field.name in names and getattr(self, field.name) != field.default:
                raise ValueError(f"{_flag(field.name)}: {why}")

    def _check(self) -> None:
        """Raise ValueError for flags that do not fit together, and for numbers out of range."""
        if self.space is None:
            raise ValueError("--space: a search space is needed, e.g. --space channels; `fastcifar spaces` lists them")
        given = [f"--{name}" for name in ("objective", "command", "supernet") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)}: one of them says what a trial is, not both")
        if self.command is not None and not self.command.strip():
            raise ValueError("--command: it is empty")
        if self.minimize is not None and self.maximize is not None:
            raise ValueError("--minimize and --maximize: only one of them is possible")
        if self._trains:
            self._refuse(("trial_gpus",), "a training has one GPU; --device or CUDA_VISIBLE_DEVICES says which")
        else:
            names = set(TRAINING) - ({"data_dir", "max_flops", "max_params"} if self.supernet is not None else set())
            self._refuse(names, f"only trainings have it, not --{self._instead}")
        numbers = (
            *(("trials", 1, MANY), ("concurrency", 1, MANY), ("seed", 0, 10**9), ("trial_gpus", 0, MANY)),
            *(("threads", 1, MAX_THREADS), ("max_failures", 0, MANY)),
        )
        for name, least, most in numbers:
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise ValueError(f"{_flag(name)}: a whole number from {least} to {most:,} is needed, not {value}")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def pair(text: str) -> tuple[int, int]:
    """Read KxN. Raises ValueError for anything else."""
    first, cross, second = text.partition("x")
    if not cross or not first.isdigit() or not second.isdigit():
        raise ValueError(f"--confirm: KxN is needed, e.g. 2x3, not {text!r}")
    return int(first), int(second)
