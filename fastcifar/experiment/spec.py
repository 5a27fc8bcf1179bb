"""What a search was asked for, as JSON in its store, and what is made of it: a plan and an engine."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastcifar.experiment.engines.base import Engine, Variables, no_variables
from fastcifar.experiment.engines.command.engine import CommandEngine
from fastcifar.experiment.engines.local.gpus import GPUs
from fastcifar.experiment.engines.local.pool import WorkerEngine
from fastcifar.experiment.failures import MAX_FAILURES
from fastcifar.experiment.loop import MOST_SEED, Driver, Limits, Plan
from fastcifar.experiment.objectives.base import Evaluator, FunctionEvaluator, find_function
from fastcifar.experiment.store.kept import kept, of_another_version
from fastcifar.experiment.store.requests import Requests
from fastcifar.experiment.store.store import FILE, Store, StoreError, locked
from fastcifar.experiment.store.trust import check_trust
from fastcifar.experiment.tuners.algorithm_config import AlgorithmConfig
from fastcifar.experiment.tuners.algorithms import Tuner, make_assessor, make_tuner
from fastcifar.machine import share_of_cores, short_waits
from fastcifar.new_folder import new_folder
from fastcifar.rules import whole
from fastcifar.search.simple import Grid
from fastcifar.search.spaces.space import MAX_POINTS, TOTAL_EPOCH, Space

if TYPE_CHECKING:
    from fastcifar.train import Recipe

SUPERNET = "fastcifar.supernet.predict.evaluate:SupernetEvaluator"
THREADS = "OMP_NUM_THREADS"  # what torch and most others read when they are loaded


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Everything that decides a search, as JSON values. One of recipe, function, command and supernet (its folder)
    says what a trial is.

    metric: of a trial's result; `default` is the result itself. trial_seconds: that a trial may take.
    short: fields of the recipe beneath the parameters of the search's trials, but not of what confirms.
    confirm: (points, seeds) that are run again at the end.
    gpus: of a trial, or the worker that runs it: number, indices, trials_per_gpu, use_active; null leaves them alone.
    threads: of a trial; None, as in specs of earlier versions, is its share of the cores, and a command's own affair.
    max_failures: of trials in a row from the start, after which the search ends; 0 is never.
    max_flops, max_parameters: of the networks that are tried. max_seconds: of the training of a trial of the search.
    """

    name: str = "search"
    space: dict[str, Any]
    tuner: dict[str, Any] = field(default_factory=lambda: {"name": "GP"})
    assessor: dict[str, Any] | None = None
    maximize: bool = True
    metric: str = "default"
    seed: int = 0
    trials: int | None = None
    seconds: float | None = None
    trial_seconds: float | None = None
    concurrency: int = 1
    confirm: tuple[int, int] = (0, 0)
    recipe: dict[str, Any] | None = None
    recipe_name: str = ""
    data_dir: str | None = None
    device: str = "auto"
    function: str | None = None
    command: str | None = None
    supernet: str | None = None
    code_directory: str = "."
    short: dict[str, Any] = field(default_factory=dict)
    gpus: dict[str, Any] | None = None
    max_flops: float | None = None
    max_parameters: float | None = None
    max_seconds: float | None = None
    threads: int | None = None
    max_failures: int = MAX_FAILURES

    def to_dict(self) -> dict[str, Any]:
        """The spec as JSON values."""
        document: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return document

    @classmethod
    def from_dict(cls, document: Any, folder: Path | None = None) -> "Spec":
        """Read what `to_dict` gave; a key that is missing has its default.

        folder: the experiment's, for the message. Raises StoreError for what another version has written.
        """
        values = kept(cls, document, "spec", folder)
        for name, kind in (("tuner", AlgorithmConfig), ("assessor", AlgorithmConfig), ("gpus", GPUs)):
            if values.get(name) is not None:
                kept(kind, values[name], name, folder)
        return cls(**{**values, "confirm": tuple(values.get("confirm", cls.confirm))})

    def search_space(self) -> tuple[Space, str | None]:
        """The space of the trials, and the parameter that the tuner adds. Nothing of the user's is imported.

        Raises ConfigError or SpaceError.
        """
        if self.tuner.get("class_name") is not None:
            return Space.from_dict(self.space), None
        tuner = self._tuner()
        return tuner.space or Space.from_dict(self.space), tuner.budget

    def plan(self) -> Plan:
        """The plan of the search; a tuner or assessor of the user's is imported. Raises ConfigError or SpaceError."""
        whole(0, MOST_SEED)("seed", self.seed)
        tuner = self._tuner()
        assessor = make_assessor(AlgorithmConfig(**self.assessor), self.maximize) if self.assessor else None
        return Plan(
            space=replace(tuner.space or Space.from_dict(self.space), allowed=self._allowed()),
            searcher=tuner.searcher,
            assessor=assessor,
            maximize=self.maximize,
            metric=self.metric,
            seed=self.seed,
            concurrency=self.concurrency,
            limits=Limits(trials=self.trials, seconds=self.seconds),
            budget=tuner.budget,
            short=self.short,
            max_seconds=self.max_seconds,
            max_failures=self.max_failures,
        )

    def _tuner(self) -> Tuner:
        tuner = make_tuner(AlgorithmConfig(**self.tuner), self.space)
        if isinstance(tuner.searcher, Grid) and Space.from_dict(self.space).size() > MAX_POINTS:
            raise ValueError(f"{self.tuner['name']}: a grid needs a space without continuous parameters, not too large")
        if tuner.budget in self.space:
            raise ValueError(f"{tuner.budget}: {self.tuner['name']} decides it; the space cannot have it")
        return tuner

    def engine(self, folder: Path, evaluator: Evaluator | None = None) -> Engine:
        """What runs the trials; `evaluator` in place of the spec's own, where it has no name."""
        variables: Variables = no_variables if self.gpus is None else GPUs(**self.gpus).environment
        if self.command is not None:
            code = Path(self.code_directory)
            if self.threads is not None:
                variables = _with(variables, {THREADS: str(self.threads)})
            return CommandEngine(self.command, code, folder / "trials", limit=self.trial_seconds, environment=variables)
        evaluator = evaluator or self.evaluator()
        return WorkerEngine(
            evaluator,
            folder / "workers",
            limit=self.trial_seconds,
            environment=self._worker_environment(),
            variables=variables,
        )

    def _worker_environment(self) -> dict[str, str]:
        """How a worker computes: with how many threads, and how those wait."""
        environment = dict(os.environ)
        short_waits(environment)
        if self.threads is not None or THREADS not in environment:
            environment[THREADS] = str(self.threads or share_of_cores(self.concurrency))
        return {name: value for name, value in environment.items() if os.environ.get(name) != value}

    def evaluator(self) -> Evaluator:
        """What a trial does, for a recipe or a function that has a name. Raises StoreError where there is neither."""
        if self.recipe is not None:
            from fastcifar.experiment.objectives.training.evaluator import TrainEvaluator  # brings torch
            from fastcifar.train import Recipe

            data_dir = None if self.data_dir is None else Path(self.data_dir)
            return TrainEvaluator(
                recipe=Recipe.from_dict(self.recipe),
                data_dir=data_dir,
                device=self.device,
                epochs_of_space="total_epoch" in self.space,
                space_epochs=self.space.get(TOTAL_EPOCH),
            )
        if self.supernet is not None:  # by name, as its room lies above this one
            data_dir = None if self.data_dir is None else Path(self.data_dir)
            evaluator: Evaluator = find_function(SUPERNET)(folder=Path(self.supernet), data_dir=data_dir)
            return evaluator
        if self.function is not None:
            sys.path.insert(0, self.code_directory)  # where it was found first
            find_function(self.function)
            return FunctionEvaluator(self.function, self.metric)
        raise StoreError("the objective of this experiment has no name; resume it from the program that made it")

    def recipes(self) -> "Callable[[dict[str, Any]], Recipe]":
        """What makes the recipe of a trial from its parameters, where trials are of networks."""
        from fastcifar.experiment.objectives.training.trial_recipe import TrialRecipes  # brings torch
        from fastcifar.train import Recipe

        if self.supernet is not None:
            made: Callable[[dict[str, Any]], Recipe] = find_function(SUPERNET)(folder=Path(self.supernet)).recipe_of
            return made
        return TrialRecipes(
            recipe=Recipe.from_dict(self.recipe or {}),
            epochs=self.space.get(TOTAL_EPOCH),
            epochs_of_space="total_epoch" in self.space,
        )

    def _allowed(self) -> "Callable[[dict[str, Any]], bool] | None":
        trains = self.recipe is not None or self.supernet is not None
        if not trains or (self.max_flops is None and self.max_parameters is None):
            return None
        from fastcifar.experiment.objectives.training.sizes import flops, parameters

        recipe_of = self.recipes()
        limits = (self.max_flops, self.max_parameters)
        most_flops, most_parameters = (float("inf") if most is None else most for most in limits)

        def allowed(params: dict[str, Any]) -> bool:
            candidate = recipe_of(params)
            return flops(candidate) <= most_flops and parameters(candidate) <= most_parameters

        return allowed


def _with(variables: Variables, more: Mapping[str, str]) -> Variables:
    """`variables`, and `more` for every process."""
    return lambda number, living: {**variables(number, living), **more}


def read_spec(store: Store) -> Spec:
    """The spec of an experiment. Raises StoreError, also for one of another version."""
    meta = store.meta()
    if "spec" not in meta:
        raise StoreError(f"{store.folder}: the store does not say what is searched")
    return Spec.from_dict(meta["spec"], store.folder)


def read_meta(store: Store) -> dict[str, Any]:
    """All values of an experiment's store, its spec as this version knows it. Raises StoreError."""
    return store.meta() | {"spec": read_spec(store).to_dict()}


def check_recipe(spec: Spec, folder: Path) -> None:
    """Raise StoreError where the recipe of a spec in a store is of another version."""
    if spec.recipe is None:
        return
    from fastcifar.train import Recipe  # brings torch

    try:
        Recipe.from_dict(spec.recipe)
    except (ValueError, TypeError) as error:
        raise of_another_version(folder, f"its recipe: {error}") from None


def make_folder(out: Path, name: str) -> Path:
    """Make the folder of a new experiment under `out`; its name, which a long `name` is cut for, is the id."""
    try:
        return new_folder(out, name)
    except OSError as error:
        raise StoreError(f"cannot write to the output folder {out}: {error.strerror}") from error


def find_folder(out: Path, name: str) -> Path:
    """The folder of an experiment: a path, or an id (or its beginning) under `out`. Raises StoreError."""
    for path in (Path(name), out / name):
        if (path / FILE).is_file():
            return path
    found = [path.parent for path in sorted(out.glob(f"*/{FILE}")) if name and path.parent.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    which = ", ".join(path.name for path in found)
    raise StoreError(
        f"{name!r} is more than one experiment: {which}" if found else f"there is no experiment {name!r} under {out}"
    )


@contextmanager
def driving(
    folder: Path,
    spec: Spec,
    watch: Callable[[Driver], None],
    evaluator: Evaluator | None = None,
    trust: bool = False,
) -> Iterator[Driver]:
    """A driver over the experiment in `folder`, which is made there if it is new; the engine ends with the block.

    trust: run what an experiment names that came by `load`; without it such a one raises UntrustedError.
    """
    with locked(folder), ExitStack() as opened:
        requests = Requests(folder)  # from now on it may be asked
        check_recipe(spec, folder)
        store = Store.open(folder) if (folder / FILE).exists() else Store.create(folder, {"spec": spec.to_dict()})
        opened.callback(store.close)
        check_trust(store, spec, trust)
        engine = spec.engine(folder, evaluator)
        opened.callback(engine.close)
        try:
            store.set({"pid": os.getpid(), "status": "running"})
            driver = Driver(store, spec.plan(), engine, watch)
            driver.requests = requests
            yield driver
            store.set({"status": "stopped" if driver.stopping or driver.hopeless else "done"})
        except BaseException:
            with suppress(StoreError):  # a full disk: the first error is the one to tell
                store.set({"status": "interrupted"})
            raise
