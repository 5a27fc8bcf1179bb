"""`Experiment`, NNI's Python interface."""

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastcifar.experiment.engines.registry import gpu_capacity
from fastcifar.experiment.loop import Driver, StoppedNow
from fastcifar.experiment.planning import plan_of
from fastcifar.experiment.session import driving
from fastcifar.experiment.spec import Spec, read_spec
from fastcifar.experiment.store.folders import OUT, find_folder, make_folder
from fastcifar.experiment.store.listing import WAITING, as_seen
from fastcifar.experiment.store.store import FAILED, FINISHED, RUNNING, STOPPED, Store, TrialRow
from fastcifar.experiment.summary import confirmed, summary
from fastcifar.lock import in_use
from fastcifar.machine import check_threads
from fastcifar.nni.config import AlgorithmConfig, ConfigError, ExperimentConfig, load_config, seconds
from fastcifar.nni.local_config import check_platform

STATUS = {
    RUNNING: "RUNNING",
    WAITING: "WAITING",
    FINISHED: "SUCCEEDED",
    STOPPED: "EARLY_STOPPED",
    FAILED: "FAILED",
}  # NNI's words


class Experiment:
    """An experiment with NNI's Python interface: `Experiment("local")` or `Experiment(tuner, "local")`.

    config: an `ExperimentConfig`; its fields may be set until `run` or `start`. id: the name of its folder.
    threads: of each trial's command, by OMP_NUM_THREADS; None leaves them to the command.
    on_begin: called before the first trial; by default it prints the folder. on_change: called after every event.
    """

    def __init__(
        self, tuner: AlgorithmConfig | str | None = None, training_service: str | None = None, *, out: str | Path = OUT
    ) -> None:
        if isinstance(tuner, str):
            tuner, training_service = None, tuner
        check_platform("training_service", training_service or "local")
        self.config = ExperimentConfig()
        if tuner is not None:
            self.config.tuner = tuner
        self.out = Path(out)
        self.threads: int | None = None
        self.folder: Path | None = None
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._stopping = threading.Event()
        self._port: int | None = None
        self._trust = False
        self.on_begin: Callable[[Spec, Driver], None] = lambda spec, driver: _say_where(driver.store.folder, self._port)
        self.on_change: Callable[[Driver], None] = lambda driver: None

    @classmethod
    def from_yaml(cls, path: str | Path, *, out: str | Path = OUT) -> "Experiment":
        """An experiment from a YAML file in NNI's version 2 or 1. Raises ConfigError."""
        experiment = cls(out=out)
        experiment.config = load_config(path)
        return experiment

    @staticmethod
    def resume(
        experiment_id: str,
        port: int | None = None,
        wait_completion: bool = True,
        *,
        out: str | Path = OUT,
        trust: bool = False,
    ) -> "Experiment":
        """Resume an experiment that has ended early.

        trust: run its command and its classes even if it came by `fastcifar experiment load`.
        """
        experiment = Experiment(out=out)
        experiment.folder, experiment._trust = find_folder(Path(out), experiment_id), trust
        experiment._begin(port, wait_completion)
        return experiment

    @staticmethod
    def view(experiment_id: str, port: int | None = None, *, out: str | Path = OUT) -> "Experiment":
        """An experiment to read; nothing is run."""
        experiment = Experiment(out=out)
        experiment.folder = find_folder(Path(out), experiment_id)
        _say_where(experiment.folder, port)
        return experiment

    @property
    def id(self) -> str:
        """The experiment's id. Raises ConfigError before it has begun."""
        return self._begun().name

    def run(self, port: int | None = None, wait_completion: bool = True) -> bool:
        """Run the experiment to its end; return whether it got there. Without `wait_completion` the same as `start`."""
        self._begin(port, wait_completion)
        return self.get_status() == "DONE"

    def start(self, port: int | None = None) -> None:
        """Run the experiment in a thread of this process."""
        self._begin(port, wait=False)

    def stop(self) -> None:
        """Start no further trial, and wait for the running ones."""
        if self._thread is not None and self._thread.is_alive():
            self._stopping.set()
            self._thread.join()

    def wait(self) -> None:
        """Wait until it has ended. Raises the error that ended it, if any."""
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error

    def get_status(self) -> str:
        """INITIALIZED, RUNNING, DONE, STOPPED or ERROR."""
        if self.folder is None:
            return "INITIALIZED"
        if in_use(self.folder) or (self._thread is not None and self._thread.is_alive()):
            return "RUNNING"
        status = self._read(lambda store: store.meta().get("status"))
        return {"done": "DONE", "stopped": "STOPPED"}.get(str(status), "ERROR" if self._error else "STOPPED")

    def list_trial_jobs(self) -> list[dict[str, Any]]:
        """All trials, with NNI's keys."""
        rows: list[TrialRow] = self._read(lambda store: as_seen(store.folder, store.trials()))
        return [self._job(row) for row in rows]

    def get_trial_job(self, trial_job_id: str) -> dict[str, Any] | None:
        """One trial by its id; None if there is none."""
        return next((job for job in self.list_trial_jobs() if job["id"] == trial_job_id), None)

    def get_job_statistics(self) -> list[dict[str, Any]]:
        """The number of trials in each state."""
        states = [job["status"] for job in self.list_trial_jobs()]
        return [{"trialJobStatus": state, "trialJobNumber": states.count(state)} for state in dict.fromkeys(states)]

    def get_job_metrics(self, trial_job_id: str | None = None) -> dict[str, list[dict[str, Any]]]:
        """The reports and the result of each trial, or of one trial."""
        curves: dict[int, list[float]] = self._read(lambda store: store.reports())
        metrics = {}
        for row in self._read(lambda store: store.trials()):
            name = self._name(row)
            curve = enumerate(curves.get(row.number, []))
            entries = [{"type": "PERIODICAL", "sequence": step, "data": value} for step, value in curve]
            if row.state == FINISHED:
                entries.append({"type": "FINAL", "sequence": 0, "data": row.value})
            if trial_job_id in (None, name):
                metrics[name] = [{"trialJobId": name, "timestamp": row.ended or row.started, **one} for one in entries]
        return metrics

    def export_data(self) -> list[dict[str, Any]]:
        """The parameters and results of the trials that have a result."""
        rows: list[TrialRow] = self._read(lambda store: store.trials())
        return [
            {"trialJobId": self._name(row), "parameter": row.params, "value": row.value}
            for row in rows
            if row.value is not None
        ]

    def _begin(self, port: int | None, wait: bool) -> None:
        if self._thread is not None and self._thread.is_alive():
            raise ConfigError(f"the experiment {self.id} runs already")
        if self.folder is None:
            spec = self._spec()
            plan_of(spec)
            self.folder = make_folder(
                Path(self.config.experiment_working_directory or self.out).expanduser(), spec.name
            )
            Store.create(self.folder, {"spec": spec.to_dict()}).close()  # to be looked at from now on
        else:
            meta = self._read(lambda store: store.meta())
            if "supernet" in meta:
                raise ConfigError(f"{self.folder}: fastcifar supernet search --resume resumes this one")
            spec = self._read(read_spec)
        folder, self._port = self.folder, port
        self._stopping.clear()
        self._error = None
        if wait:
            self._drive(folder, spec)
            return

        def body() -> None:
            with suppress(BaseException):  # `wait` raises it
                self._drive(folder, spec)

        self._thread = threading.Thread(target=body, name=f"experiment {folder.name}")
        self._thread.start()

    def _drive(self, folder: Path, spec: Spec) -> None:
        try:
            with driving(folder, spec, self._watch, trust=self._trust) as driver:
                self.on_begin(spec, driver)
                driver.search()
                summary(spec, driver, confirmed(spec, driver))
        except BaseException as error:
            self._error = None if isinstance(error, StoppedNow) else error
            raise

    def _watch(self, driver: Driver) -> None:
        self.on_change(driver)
        if self._stopping.is_set() and not driver.stopping:
            driver.stopping, driver.ended = True, "it was stopped"

    def _spec(self) -> Spec:
        """The configuration as a spec. Raises ConfigError."""
        from fastcifar.experiment.tuners.algorithms import make_tuner

        config = self.config
        config.check()
        check_threads(self.threads)
        space = config.load_search_space()
        tuner = make_tuner(config.tuner, space)
        service, number = config.training_service, config.trial_gpu_number
        gpus: dict[str, Any] | None = None
        if number is not None:
            gpus = {
                "number": number,
                "indices": service.gpus,
                "trials_per_gpu": service.max_trial_number_per_gpu,
                "use_active": bool(service.use_active_gpu),
            }
        spec = Spec(
            name="".join(c if c.isalnum() else "-" for c in config.experiment_name or "experiment"),
            space=space,
            tuner=_settled(config.tuner),
            assessor=_settled(config.assessor) if config.assessor.is_set else None,
            maximize=tuner.maximize,
            seed=tuner.seed or 0,
            trials=config.max_trial_number,
            max_failures=config.max_failures,
            seconds=_seconds(config.max_experiment_duration),
            trial_seconds=_seconds(config.max_trial_duration),
            concurrency=config.trial_concurrency or 1,
            threads=self.threads,
            command=config.trial_command,
            code_directory=str(Path(config.trial_code_directory).expanduser().absolute()),
            gpus=gpus,
        )
        return replace(spec, concurrency=int(min(spec.concurrency, gpu_capacity(spec))))

    def _begun(self) -> Path:
        if self.folder is None:
            raise ConfigError("the experiment has not begun; call run() or start()")
        return self.folder

    def _read(self, look: Callable[[Store], Any]) -> Any:
        store = Store.read(self._begun())
        try:
            return look(store)
        finally:
            store.close()

    def _name(self, row: TrialRow) -> str:
        return f"{self.id}-{row.number}"

    def _job(self, row: TrialRow) -> dict[str, Any]:
        return {
            "id": self._name(row),
            "status": STATUS[row.state],
            "sequenceId": row.number,
            "hyperParameters": row.params,
            "finalMetricData": row.value,
            "message": row.message,
            "startTime": row.started,
            "endTime": row.ended,
        }


def _settled(config: AlgorithmConfig) -> dict[str, Any]:
    """The configuration as JSON values that do not depend on the working directory."""
    values = config.to_dict()
    if config.class_name is not None:
        values["code_directory"] = str(Path(config.code_directory or ".").expanduser().absolute())
    return values


def _seconds(value: str | float | None) -> float | None:
    return None if value is None else seconds(value)


def _say_where(folder: Path, port: int | None) -> None:
    where = f" (port {port} has no use yet: there is no web page)" if port is not None else ""
    print(f"fastcifar: the experiment and its results are in {folder}{where}", file=sys.stderr)
