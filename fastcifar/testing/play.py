"""What a trial does while its engine is held against the contract: a list of acts, which are its parameters.

As a function for engines that run Python, and as a command: `python -m fastcifar.testing.play`.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastcifar.experiment.objectives.base import Evaluator, FunctionEvaluator

PLAY = "fastcifar.testing.play:play"
COMMAND = f"{shlex.quote(sys.executable)} -m fastcifar.testing.play"


@dataclass(frozen=True, kw_only=True)
class Work:
    """What an engine under test is to run, in one of two forms, and where.

    evaluator: for an engine of Python. command: for an engine of commands, which takes its parameters from `trial_api`,
    as NNI's trials do, and its seed from the variable FASTCIFAR_SEED.
    folder: of the engine's own, which exists; the trials' folders are `folder`/trials/NUMBER.
    limit: seconds that a trial may take; None is no limit.
    """

    folder: Path
    limit: float | None = None
    evaluator: Evaluator = field(default_factory=lambda: FunctionEvaluator(PLAY))
    command: str = COMMAND


def play(params: dict[str, Any], seed: int, report: Callable[[float], None]) -> Any:
    """Do what `params["acts"]` lists, each [what, argument]; the result tells the parameters and the seed."""
    for what, argument in params["acts"]:
        match what:
            case "report":
                report(argument)
            case "pid":
                report(os.getpid())
            case "child":
                report(subprocess.Popen(["sleep", str(argument)]).pid)
            case "sleep":
                time.sleep(argument)
            case "raise":
                raise RuntimeError(argument)
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "return":
                return {"default": argument, "params": params, "seed": seed}
    raise AssertionError("the last act is to return")


def main() -> None:
    """The same as a command."""
    from fastcifar.experiment.trial_api import get_next_parameter, report_final_result, report_intermediate_result

    result = play(get_next_parameter(), int(os.environ["FASTCIFAR_SEED"]), report_intermediate_result)
    report_final_result(result)


if __name__ == "__main__":
    main()
