"""`RetiariiExperiment`, NNI's Python interface, on the experiments of `fastcifar.search`."""

import dataclasses
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fastcifar.experiment.engines.registry import gpu_capacity
from fastcifar.experiment.gate import result_is
from fastcifar.experiment.loop import Driver
from fastcifar.experiment.objectives.base import FunctionEvaluator
from fastcifar.experiment.planning import plan_of
from fastcifar.experiment.session import driving
from fastcifar.experiment.spec import Spec, read_spec
from fastcifar.experiment.store.folders import OUT, make_folder
from fastcifar.experiment.store.store import FAILED, FINISHED, Store, TrialRow
from fastcifar.nas.code import to_code
from fastcifar.nas.config import RetiariiExeConfig
from fastcifar.nas.evaluator import Classification, ModelEvaluator
from fastcifar.nas.model import space_of
from fastcifar.nas.strategy import DARTS, MultiTrial, SinglePath
from fastcifar.nas.trial import SILENT, WEIGHTS, TrialEvaluator
from fastcifar.rules import ConfigError
from fastcifar.search import Params
from fastcifar.train.record.record import RunFolder, read_tensors

FORMATTERS = ("dict", "code", "instance")
ONE_SHOT = (SinglePath, DARTS)


class RetiariiExperiment:
    """A search over the networks of a space.

    base_model: an instance of a class with `@model_wrapper`.
    evaluator: a FunctionalEvaluator or a Classification; a one-shot strategy needs a Classification.
    mutators: has to be empty, as the class is the whole space. strategy: see `strategy`.
    folder: the experiment's folder; None before it runs.
    Raises ValueError for what is no space, and for a strategy and an evaluator that do not go together.
    """

    def __init__(
        self,
        base_model: nn.Module,
        evaluator: ModelEvaluator,
        mutators: Sequence[Any] = (),
        strategy: MultiTrial | SinglePath | DARTS | None = None,
        *,
        out: str | Path = OUT,
    ) -> None:
        self.space = space_of(base_model)
        _ = self.space.space  # raises for options that are no JSON values
        if mutators:
            raise ValueError("mutators: there are none here; the class is the whole space")
        if strategy is None:
            raise ValueError("strategy: one is needed, such as strategy.Random()")
        if isinstance(strategy, (str, type)) or not (isinstance(strategy, ONE_SHOT) or hasattr(strategy, "tuner")):
            raise ValueError(
                f"strategy: one of those in fastcifar.nas.strategy is needed, such as Random(), not {strategy!r}"
            )
        if not hasattr(evaluator, "evaluate"):
            raise ValueError(f"evaluator: a FunctionalEvaluator or a Classification is needed, not {evaluator!r}")
        if isinstance(strategy, ONE_SHOT) and not isinstance(evaluator, Classification):
            raise ValueError(f"evaluator: {type(strategy).__name__} trains by itself, and needs a Classification")
        if isinstance(strategy, ONE_SHOT):
            with torch.random.fork_rng(devices=[]):
                strategy.check(self.space)
        self.evaluator, self.strategy, self.out = evaluator, strategy, Path(out)
        self.folder: Path | None = None

    def run(self, config: RetiariiExeConfig | None = None, port: int | None = None) -> bool:
        """Run the search; return whether it has come to its end.

        Ctrl-C lets the running trials finish. A second Ctrl-C ends them at once by KeyboardInterrupt, and so does the
        first where the strategy is one-shot. `resume` continues trials.
        port: has no effect. Raises ValueError where the evaluator reports no result.
        """
        config = config or RetiariiExeConfig()
        config.check()
        spec = self._spec(config)
        self.folder = make_folder(self.out, spec.name)
        where = f" (port {port} has no use yet: there is no web page)" if port is not None else ""
        print(f"fastcifar: the experiment and its results are in {self.folder}{where}", file=sys.stderr)
        return self._share(spec) if isinstance(self.strategy, ONE_SHOT) else self._drive(spec)

    def resume(self, folder: str | Path, trust: bool = False) -> bool:
        """Continue an experiment of this model and evaluator that has not come to its end, as `run` does.

        trust: also run the classes that an experiment names that came by `experiment load`; without it, that raises
        UntrustedError. Raises ValueError for a one-shot strategy and for an experiment of another space.
        """
        self.view(folder)
        if isinstance(self.strategy, ONE_SHOT):
            raise ConfigError("a one-shot strategy cannot go on; run it again")
        return self._drive(self._stored(), trust)

    def view(self, folder: str | Path) -> None:
        """Open an earlier experiment of this model, to read its results. Raises ValueError for another space."""
        self.folder = Path(folder)
        if self._stored().space != self.space.entries:
            raise ConfigError(f"{folder}: the experiment is of another space")

    def ranking(self) -> list[dict[str, Any]]:
        """The networks, the highest score first: `sample`, `score`, `trial` (a number), `weights` (a path or None)."""
        folder = self._begun()
        store = Store.read(folder)
        rows = [row for row in store.trials() if row.state == FINISHED and row.value is not None]
        store.close()
        found = []
        for row in sorted(rows, key=lambda row: -(row.value or 0.0)):
            weights = folder / "trials" / str(row.number) / WEIGHTS
            there = str(weights) if weights.exists() else None
            found.append({"sample": row.params, "score": row.value, "trial": row.number, "weights": there})
        return found

    def export_top_models(
        self, top_k: int = 1, optimize_mode: str = "maximize", formatter: str = "dict"
    ) -> list[Params | str | nn.Module]:
        """The best networks, in one of three forms.

        formatter: `dict` for samples, `code` for the source of a Python file that imports torch only, `instance` for
            modules with the weights of their trial or of the one-shot strategy.
        Raises ValueError where no weights were kept, and for a network that cannot be written as code.
        """
        if formatter not in FORMATTERS:
            raise ValueError(f"formatter: {formatter!r} is none of {', '.join(FORMATTERS)}")
        if optimize_mode not in ("maximize", "minimize"):
            raise ValueError(f"optimize_mode: maximize or minimize, not {optimize_mode!r}")
        ranked = self.ranking()
        best = (ranked if optimize_mode == "maximize" else ranked[::-1])[:top_k]
        return [self._formatted(one, formatter) for one in best]

    def _formatted(self, one: Mapping[str, Any], formatter: str) -> Params | str | nn.Module:
        if formatter == "dict":
            return dict(one["sample"])
        network = self.space.network(one["sample"])
        if formatter == "code":
            return to_code(network, f"{self.space.model.__name__} {one['sample']}")
        if one["weights"] is None:
            raise ValueError(f"{one['sample']}: no weights were kept of it")
        network.load_state_dict(read_tensors(Path(one["weights"]))[0])
        return network

    def _drive(self, spec: Spec, trust: bool = False) -> bool:
        """Run trials in copies (forks) of this process, as the model's class may have no name to import it by."""
        folder = self._begun()
        if torch.cuda.is_initialized():
            raise ConfigError("this process has used CUDA, which its copies cannot use again: run the trials first")
        trial = TrialEvaluator(self.space, self.evaluator, folder / "trials")
        with driving(folder, spec, _watch, FunctionEvaluator(trial.evaluate), trust) as driver:
            driver.search()
            rows = list(driver.rows.values())
        if rows and all(row.state == FAILED for row in rows):
            print(f"fastcifar: no trial has a result; the first failed: {rows[0].message}", file=sys.stderr)
        return not driver.stopping

    def _share(self, spec: Spec) -> bool:
        """Run the one-shot strategy, and store its ranking as the trials of an experiment."""
        assert isinstance(self.strategy, ONE_SHOT) and isinstance(self.evaluator, Classification)
        folder, evaluator = self._begun(), self.evaluator
        if spec.gpus is not None and spec.gpus["number"] == 0:
            evaluator = dataclasses.replace(evaluator, device="cpu")
        with torch.random.fork_rng():
            torch.manual_seed(spec.seed)
            ranked = self.strategy.run(self.space, evaluator, spec.seed)
        store = Store.create(folder, {"spec": spec.to_dict(), "status": "done", "strategy": repr(self.strategy)})
        for number, one in enumerate(ranked):
            if one.weights:
                (folder / "trials" / str(number)).mkdir(parents=True)
                RunFolder(folder / "trials" / str(number)).save_tensors(WEIGHTS, one.weights, {})
            row = TrialRow(number=number, kind="search", params=dict(one.sample), seed=spec.seed, started=time.time())
            store.start(row)
            store.end(dataclasses.replace(row, ended=time.time(), **_kept(one.score)))
        store.close()
        return True

    def _spec(self, config: RetiariiExeConfig) -> Spec:
        """The experiment's specification. Raises ValueError where it would not end."""
        tuner: dict[str, Any] = {"name": "Random"} if isinstance(self.strategy, ONE_SHOT) else self.strategy.tuner()
        spec = Spec(
            name="".join(c if c.isalnum() else "-" for c in config.experiment_name),
            space=self.space.entries,
            tuner=tuner,
            seed=config.seed,
            trials=config.max_trial_number,
            concurrency=config.trial_concurrency,
            gpus=config.gpus(),
        )
        spec = dataclasses.replace(spec, concurrency=int(min(spec.concurrency, gpu_capacity(spec))))
        if tuner.get("class_args", {}).get("repeats") and config.max_trial_number is None:
            raise ConfigError("max_trial_number: it is needed where a network may be drawn again")
        plan_of(spec)
        return spec

    def _stored(self) -> Spec:
        store = Store.read(self._begun())
        try:
            return read_spec(store)
        finally:
            store.close()

    def _begun(self) -> Path:
        if self.folder is None:
            raise ConfigError("the experiment has not run; call run()")
        return self.folder


def _kept(score: float) -> dict[str, Any]:
    """The state of a one-shot score's row: finished, or failed where the score is not finite."""
    try:
        return {"state": FINISHED, "value": result_is(score)}
    except ValueError as error:
        return {"state": FAILED, "message": str(error)}


def _watch(driver: Driver) -> None:
    """Raise ValueError after a trial without a result: an evaluator that reports none would not in other trials."""
    if any(SILENT in row.message for row in driver.rows.values()):
        raise ValueError(SILENT)
