"""The contract between an experiment and what runs its trials: trials go in, events come out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fastcifar.names import short
from fastcifar.search.spaces.space import Params


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a trial needs while it runs.

    threads: of the CPU; None leaves them to the trial. memory: bytes.
    gpus: how many; 0 hides them all, None leaves them alone. gpu_share: of each of them, 0.5 for two trials on one.
    """

    threads: int | None = None
    memory: int = 0
    gpus: int | None = None
    gpu_share: float = 1.0


NO_NEEDS = Needs()


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial to run.

    number: its place in the experiment, from 0. experiment: the experiment's id.
    folder: the trial's own, which the engine makes where it needs one.
    confirm: whether it confirms a winner: at full budget, where the evaluator has a shorter one for the search.
    needs: what the engine gives it.
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
        """A name that is the trial's alone."""
        return f"{self.experiment}-{self.number}"


@dataclass(frozen=True, kw_only=True)
class Report:
    """A trial reports an intermediate result. A trial that waits for a verdict goes on after `go_on`."""

    number: int
    value: float


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A trial has ended.

    value: its result, or None where it has none: it failed (`message` says how) or was stopped by `stop`.
    metrics: what it reported besides, JSON values.
    """

    number: int
    value: float | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""


Event = Report | Ended


class Engine(Protocol):
    """Runs trials beside each other. None of its methods waits, but for `events` and `close`."""

    def capacity(self, needs: Needs) -> float:
        """How many trials with these needs it can run beside each other; infinite where nothing limits them.

        Raises Failure where it cannot run any. The driver decides how many of them to start.
        """
        ...

    def start(self, trial: Trial) -> None:
        """Begin a trial. What goes wrong with it later is an `Ended` event."""
        ...

    def events(self, timeout: float) -> list[Event]:
        """What has happened since the last call; waits for the first event, at most `timeout` seconds."""
        ...

    def go_on(self, number: int) -> None:
        """Let a trial that has reported go on."""
        ...

    def stop(self, number: int) -> None:
        """End a running trial, with its children; an `Ended` event without a value follows."""
        ...

    def close(self) -> None:
        """End everything that still runs, and wait until it has ended."""
        ...


def result_of(value: Any) -> tuple[float, dict[str, Any]]:
    """A reported result, a number or a dict with a numeric `default`, as (number, the other entries).

    Raises ValueError for anything else, NaN and infinities included.
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
