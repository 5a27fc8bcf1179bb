"""What a trial does: parameters and a seed in, reports and a result out."""

import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import PathFinder
from typing import Any, Protocol

from fastcifar.names import nearest
from fastcifar.search.spaces.space import Params

Reporter = Callable[[float], None]


class TrialStopped(BaseException):
    """Raised by `report` in a trial that must end; evaluators do not catch it."""


class Evaluator(Protocol):
    """Runs trials in a worker process. It is pickled once, to the worker, and may keep state between calls."""

    def __call__(self, params: Params, seed: int, report: Reporter, confirm: bool) -> Any:
        """The result: a number, or a dict with a number under `default`. An exception fails the trial."""
        ...


@dataclass(frozen=True)
class FunctionEvaluator:
    """A Python function of the parameters; it gets `seed` and `report` by name if it has such arguments.

    metric: the entry of the returned dict that is the result.
    """

    function: Callable[..., Any] | str
    metric: str = "default"

    def __call__(self, params: Params, seed: int, report: Reporter, confirm: bool) -> Any:
        function = find_function(self.function) if isinstance(self.function, str) else self.function
        offered: dict[str, Any] = {"seed": seed, "report": report}
        try:
            wanted = set(inspect.signature(function).parameters)
        except ValueError:  # some built-in functions do not say
            wanted = set()
        result = function(params, **{name: value for name, value in offered.items() if name in wanted})
        if isinstance(result, Mapping) and self.metric in result:
            result = {"default": result[self.metric], **result}
        return result

    @property
    def importable(self) -> bool:
        """Whether another process can find the function by its name."""
        if isinstance(self.function, str):
            return True
        module, name = getattr(self.function, "__module__", None), getattr(self.function, "__qualname__", "")
        if not module or module == "__main__" or not name.isidentifier():
            return False
        if getattr(sys.modules.get(module), name, None) is not self.function:  # the name has another meaning by now
            return False
        return PathFinder.find_spec(module.partition(".")[0]) is not None


def find_function(path: str, where: str = "--objective") -> Callable[..., Any]:
    """The function named `module:function`. Raises ValueError, which begins with `where`, if there is none."""
    module, colon, name = path.partition(":")
    if not colon or not name:
        raise ValueError(f"{where}: module:function is needed, not {path!r}")
    try:
        imported = _imported(module)
    except ImportError as error:
        raise ValueError(f"{where} {path}: {error}") from error
    except Exception as error:
        raise ValueError(f"{where} {path}: {module} fails: {type(error).__name__}: {error}") from error
    if not hasattr(imported, name):
        names = [other for other, value in vars(imported).items() if callable(value) and not other.startswith("_")]
        raise ValueError(f"{where} {path}: {module} has no {name}{nearest(name, names)}")
    function = getattr(imported, name)
    if not callable(function):
        raise ValueError(f"{where} {path}: it is no function but {function!r}")
    return function  # type: ignore[no-any-return]


def _imported(module: str) -> Any:
    """Import a module; what it prints goes to stderr, as stdout is for results."""
    with redirect_stdout(sys.stderr):
        return import_module(module)
