"""How a search of networks is run, in NNI's words."""

from dataclasses import dataclass, field
from typing import Any

from fastcifar.names import nearest
from fastcifar.nni.config import ConfigError
from fastcifar.nni.local_config import LocalConfig, check_platform

ENGINES = ("py", "base", "oneshot")  # NNI's; here a network is always plain Python
LEAST = {"max_trial_number": 1, "trial_concurrency": 1, "trial_gpu_number": 0, "seed": 0}
NONE = ("max_trial_number", "trial_gpu_number")  # what may be left open


@dataclass
class RetiariiExeConfig:
    """How a search of networks is run, in NNI's words.

    max_trial_number, trial_concurrency, training_service: of trials, which one-shot strategies have none of.
    trial_gpu_number: of a trial; 0 hides the GPUs from it (and from a one-shot strategy), None leaves them alone.
    execution_engine: has no effect, all networks are plain Python. seed: decides what is drawn, and the trials' seeds.
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
        if not isinstance(self.experiment_name, str) or not self.experiment_name:
            raise ConfigError(f"experiment_name: text is needed, not {self.experiment_name!r}")
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value is None and name in NONE:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ConfigError(f"{name}: a whole number at least {least} is needed, not {value!r}")
        if not isinstance(self.training_service, LocalConfig):
            raise ConfigError(f"training_service: an object of keys is needed, not {self.training_service!r}")
        self.training_service.check("training_service")

    def gpus(self) -> dict[str, Any] | None:
        """The GPUs of a trial (see `Spec.gpus`)."""
        service = self.training_service
        if self.trial_gpu_number is None:
            return None
        return {
            "number": self.trial_gpu_number,
            "indices": service.gpus,
            "trials_per_gpu": service.max_trial_number_per_gpu,
            "use_active": bool(service.use_active_gpu),
        }
