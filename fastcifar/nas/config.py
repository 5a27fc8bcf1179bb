"""How a search of networks is run, in NNI's words."""

from dataclasses import dataclass, field
from typing import Any

from fastcifar.checks import Check
from fastcifar.nni.local_config import LocalConfig, check_platform
from fastcifar.rules import ConfigError, Fields, one_of, optional, text, whole

RULES: dict[str, Check] = {
    "execution_engine": one_of(("py", "base", "oneshot")),  # NNI's; here a network is always plain Python
    "experiment_name": text,
    "max_trial_number": optional(whole(1)),
    "trial_concurrency": whole(1),
    "trial_gpu_number": optional(whole(0)),
    "seed": whole(0),
}


@dataclass
class RetiariiExeConfig(Fields):
    """How a search of networks is run, in NNI's words.

    max_trial_number, trial_concurrency, training_service: for trials; a one-shot strategy has none.
    trial_gpu_number: GPUs of a trial. 0 hides all GPUs from trials and from a one-shot strategy, None hides none.
    execution_engine: has no effect, because all networks are plain Python.
    seed: decides which networks are drawn and the seeds of the trials.
    """

    training_service_platform: str = "local"
    experiment_name: str = "nas"
    max_trial_number: int | None = None
    trial_concurrency: int = 1
    trial_gpu_number: int | None = None
    execution_engine: str = "py"
    seed: int = 0
    training_service: LocalConfig = field(default_factory=LocalConfig)

    def check(self) -> None:
        """Raise ConfigError for what cannot be run."""
        check_platform("RetiariiExeConfig", self.training_service_platform)
        for name, rule in RULES.items():
            rule(name, getattr(self, name))
        if not isinstance(self.training_service, LocalConfig):
            raise ConfigError(f"training_service: an object of keys is needed, not {self.training_service!r}")
        self.training_service.check("training_service")

    def gpus(self) -> dict[str, Any] | None:
        """The GPUs of a trial (see `Spec.gpus`); None leaves them alone."""
        service = self.training_service
        if self.trial_gpu_number is None:
            return None
        return {
            "number": self.trial_gpu_number,
            "indices": service.gpus,
            "trials_per_gpu": service.max_trial_number_per_gpu,
            "use_active": bool(service.use_active_gpu),
        }
