"""`RetiariiExperiment`, NNI's Python interface, on the experiments of `fastcifar.search`."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fastcifar.names import nearest
from fastcifar.nas.code import to_code
from fastcifar.nas.evaluator import WEIGHTS, Classification, ModelEvaluator, TrialEvaluator
from fastcifar.nas.model import space_of
from fastcifar.nas.oneshot import DARTS, Ranked, SinglePath
from fastcifar.nas.strategy import MultiTrial
from fastcifar.search import Params
from fastcifar.search.experiment.config import ConfigError
from fastcifar.search.experiment.evaluator import FunctionEvaluator
from fastcifar.search.experiment.experiment import OUT
from fastcifar.search.experiment.gpus import GPUs
from fastcifar.search.experiment.local_config import LocalConfig, check_platform
from fastcifar.search.experiment.spec import Spec, driving, make_folder
from fastcifar.search.experiment.store import FINISHED, Store
from fastcifar.train.record import RunFolder, read_tensors

FORMATTERS = ("dict", "code", "instance")
ENGINES = ("py", "base")  # NNI's; here a network is always plain Python
ONE_SHOT = (SinglePath, DARTS)


@dataclass
class RetiariiExeConfig:
    """How a search of networks is run, in NNI's words.

    trial_gpu_number: of a trial; 0 hides the GPUs from it, None leaves them alone. execution_engine: has no effect, all
    networks are plain Python. seed: decides what is drawn.
    """

    training_service_platform: str = "local"
    experiment_name: str = "nas"
    max_trial_number: int | None = None
    trial_concurrency: int = 1
    trial_gpu_number: int | None = None
    execution_engine: str = "py"
    seed: int = 0
    training_service: LocalConfig = field(default_factory=LocalConfig)

    def __setattr__(self, name: str, value: Any) -> None:
        known = [*self.__dataclass_fields__]
        if name not in known:
            raise ConfigError(f"RetiariiExeConfig has no field {name!r}{nearest(name, known)}")
        super().__setattr__(name, value)

    def check(self) -> None:
        """Raise ConfigError for what cannot be run."""
        check_platform("RetiariiExeConfig", self.training_service_platform)
        if self.execution_engine not in ENGINES:
            raise ConfigError(f"execution_engine: {self.execution_engine!r} is none of {', '.join(ENGINES)}")
        for name, least in (("max_trial_number", 1), ("trial_concurrency", 1), ("trial_gpu_number", 0), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
                raise ConfigError(f"{name}: a whole number at least {least} is needed, not {value!r}")
        self.training_service.check("training_service")


class RetiariiExperiment:
    """A search of the networks of a space.

    base_model: an instance of a class with `@model_wrapper`. evaluator: a FunctionalEvaluator, or a Classification,
    which the one-shot strategies need. mutators: empty; a space is all in its class. strategy: see `strategy`.
    folder: where everything is kept, once it runs.
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
        assert self.space.space  # options that are no JSON values are said now
        if mutators:
            raise ValueError("mutators: a space is all in its class here; there are none")
        if strategy is None:
            raise ValueError("strategy: one is needed, such as strategy.Random()")
        if not hasattr(evaluator, "evaluate"):
            raise ValueError(f"evaluator: a FunctionalEvaluator or a Classification is needed, not {evaluator!r}")
        if isinstance(strategy, ONE_SHOT) and not isinstance(evaluator, Classification):
            raise ValueError(f"evaluator: {type(strategy).__name__} trains by itself, and needs a Classification")
        if isinstance(strategy, ONE_SHOT):
            with torch.random.fork_rng():
                strategy.check(self.space)
        self.evaluator, self.strategy, self.out = evaluator, strategy, Path(out)
        self.folder: Path | None = None

    def run(self, config: RetiariiExeConfig | None = None, port: int | None = None) -> bool:
        """Run to the end; whether it got there. Raises KeyboardInterrupt after a second Ctrl-C."""
        config = config or RetiariiExeConfig()
        config.check()
        spec = self._spec(config)
        self.folder = folder = make_folder(self.out, spec.name)
        where = f" (port {port} has no use yet: there is no web page)" if port is not None else ""
        print(f"fastcifar: the experiment and its results are in {folder}{where}", file=sys.stderr)
        if isinstance(self.strategy, ONE_SHOT):
            assert isinstance(self.evaluator, Classification)
            with torch.random.fork_rng():
                torch.manual_seed(config.seed)
                self._keep(folder, self.strategy.run(self.space, self.evaluator, config.seed))
            return True
        trial = TrialEvaluator(self.space, self.evaluator, folder / "trials")
        with driving(folder, spec, lambda driver: None, FunctionEvaluator(trial.__call__)) as driver:
            driver.search()
            return not driver.stopping

    def ranking(self) -> list[dict[str, Any]]:
        """The networks by what they were worth, the best first: `sample`, `score`, `trial` and `weights`, a path.

        Of trials that have a result, or of a one-shot strategy's ranking, where `trial` is the place in it.
        """
        folder = self._begun()
        if isinstance(self.strategy, ONE_SHOT):
            ranked: list[dict[str, Any]] = json.loads((folder / "ranking.json").read_text())
            return [one | {"weights": _existing(folder / "ranked" / str(one["trial"]) / WEIGHTS)} for one in ranked]
        store = Store.read(folder)
        rows = [row for row in store.trials() if row.state == FINISHED and row.value is not None]
        store.close()
        return [
            {
                "sample": row.params,
                "score": row.value,
                "trial": row.number,
                "weights": _existing(folder / "trials" / str(row.number) / WEIGHTS),
            }
            for row in sorted(rows, key=lambda row: -(row.value or 0.0))
        ]

    def export_top_models(
        self, top_k: int = 1, optimize_mode: str = "maximize", formatter: str = "dict"
    ) -> list[Params | str | nn.Module]:
        """The best networks: as samples (`dict`), as Python files that need torch alone (`code`), or as modules.

        A module (`instance`) has the weights that its trial, or the one-shot strategy, has left.
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
        if one["weights"] is not None:
            network.load_state_dict(read_tensors(Path(one["weights"]))[0])
        return network

    def _spec(self, config: RetiariiExeConfig) -> Spec:
        """The experiment's specification. Raises ValueError where it would not end."""
        service = config.training_service
        gpus: dict[str, Any] | None = None
        concurrency = config.trial_concurrency
        if config.trial_gpu_number is not None:
            gpus = {
                "number": config.trial_gpu_number,
                "indices": service.gpus,
                "trials_per_gpu": service.max_trial_number_per_gpu,
                "use_active": bool(service.use_active_gpu),
            }
            concurrency = int(min(concurrency, GPUs(**gpus).capacity()))
        tuner: dict[str, Any] = {"name": "Random"} if isinstance(self.strategy, ONE_SHOT) else self.strategy.tuner()
        spec = Spec(
            name="".join(c if c.isalnum() else "-" for c in config.experiment_name),
            space=self.space.entries,
            tuner=tuner,
            seed=config.seed,
            trials=config.max_trial_number,
            concurrency=concurrency,
            gpus=gpus,
        )
        if tuner.get("class_args", {}).get("repeats") and config.max_trial_number is None:
            raise ConfigError("max_trial_number: it is needed where a network may be drawn again")
        spec.plan()
        return spec

    def _keep(self, folder: Path, ranked: Sequence[Ranked]) -> None:
        for place, one in enumerate(ranked):
            if one.weights:
                (folder / "ranked" / str(place)).mkdir(parents=True)
                RunFolder(folder / "ranked" / str(place)).save_tensors(WEIGHTS, one.weights, {})
        rows = [{"sample": one.sample, "score": one.score, "trial": place} for place, one in enumerate(ranked)]
        (folder / "ranking.json").write_text(json.dumps(rows, indent=2))

    def _begun(self) -> Path:
        if self.folder is None:
            raise ConfigError("the experiment has not run; call run()")
        return self.folder


def _existing(path: Path) -> str | None:
    return str(path) if path.exists() else None
