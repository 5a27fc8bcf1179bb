"""Explains why a trial in a copy of the driver's process cannot use CUDA, and what helps."""

from typing import Any

from fastcifar.experiment.gate import text
from fastcifar.experiment.objectives.base import Evaluator, Reporter
from fastcifar.search.spaces.space import Params

TORCH_SAYS = "Cannot re-initialize CUDA in forked subprocess"
EXPLAINED = (
    "the trial cannot use the GPU: it runs in a copy of the process that began the search, and that process has used "
    "CUDA (torch.cuda.is_available() is enough). Begin the search before that, set PYTORCH_NVML_BASED_CUDA_CHECK=1 "
    "where it has only asked whether there is a GPU, or put the function into a module that can be imported"
)


def cuda_explained(evaluator: Evaluator) -> Evaluator:
    """The evaluator; its trials fail with an explanation if they cannot use a GPU."""

    def evaluate(params: Params, seed: int, report: Reporter, confirm: bool) -> Any:
        try:
            return evaluator(params, seed, report, confirm)
        except Exception as error:
            if TORCH_SAYS not in text(error):
                raise
            raise ValueError(EXPLAINED) from error

    return evaluate
