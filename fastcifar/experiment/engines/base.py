"""The contract between an experiment and what runs its trials: trials go in, events come out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fastcifar.names import short
from fastcifar.search.spaces.space import Params


@dataclass(frozen=True, kw_only=True)
class Needs:
    """The resources of a running trial.

    threads: CPU threads; None leaves them to the trial. memory: bytes.
    gpus: their number; 0 hides all GPUs, None leaves them alone. gpu_share: share of each GPU, 0.5 for two trials on
    one.
    """

    threads: int | None = None
    memory: int = 0
    gpus: int | None = None
    gpu_share: float = 1.0


NO_NEEDS = Needs()


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial to run.

    number: counted in the experiment, from 0. experiment: the experiment's id.
    folder: the trial's own; the engine creates it if it needs one.
    confirm: whether it confirms a winner, at full budget; the evaluator may have a smaller budget for the search.
    needs: the resources that the engine gives it.
    """

    number: int
    experiment: str
    params: Params
    seed: int
    folder: Path
    confirm: bool = False
    needs: Needs = NO_NEEDS

    @property
    def id(self) -> str:
        """A name that is unique to the trial."""
        return f"{self.experiment}-{self.number}"


@dataclass(frozen=True, kw_only=True)
class Report:
    """A trial reports an intermediate result. If the trial waits for a verdict, `go_on` continues it."""

    number: int
    value: float


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A trial has ended.

    value: its result; None if it failed (`message` says why) or was stopped by `stop`.
    metrics: further reported entries, JSON values.
    """

    number: int
    value: float | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""


Event = Report | Ended


class Engine(Protocol):
    """Runs concurrent trials. Only `events` and `close` wait; the other methods return at once."""

    def capacity(self, needs: Needs) -> float:
        """How many concurrent trials with these needs it can run; infinite if nothing limits them.

        Raises Failure if it cannot run any. The driver decides how many to start.
        """
        ...

    def start(self, trial: Trial) -> None:
        """Start a trial. A later error in it is an `Ended` event."""
        ...

    def events(self, timeout: float) -> list[Event]:
        """The events since the last call; waits for the first one, at most `timeout` seconds."""
        ...

    def go_on(self, number: int) -> None:
        """Continue a trial that waits after its report."""
        ...

    def stop(self, number: int) -> None:
        """End a running trial, with its children; an `Ended` event without a value follows."""
        ...

    def close(self) -> None:
        """End all running trials, and wait until they have ended."""
        ...


def result_of(value: Any) -> tuple[float, dict[str, Any]]:
    """A reported result (a number, or a dict with a number under `default`) as (number, the other entries).

    Raises ValueError for anything else, including NaN and infinities.
    """
    metrics: dict[str, Any] = {}
    if isinstance(value, Mapping):
        metrics = {str(key): item for key, item in value.items() if key != "default"}
        if "default" not in value:
            raise ValueError(f"a result that is a dict needs a number under 'default'; it has {short(list(value))}")
        value = value["default"]
    try:
        number = float(value) if not isinstance(value, (str, bytes, bool)) else None
    except OverflowError:
        raise ValueError(f"the result is a number beyond all floats, {short(value)}") from None
    except (TypeError, ValueError):
        number = None
    if number is None:
        raise ValueError(f"a result is a number or a dict with a number under 'default', not {short(value)}")
    if not abs(number) < float("inf"):
        raise ValueError(f"the result is {number}")
    return number, metrics
