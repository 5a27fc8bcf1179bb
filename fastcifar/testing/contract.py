"""How a rule of a contract is asked for, and two rules that several contracts have."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


class BrokenContract(AssertionError):
    """An implementation breaks a rule of its contract: the rule, then what was found."""


def must(held: bool, rule: str, found: str) -> None:
    """Raise BrokenContract where a rule does not hold."""
    if not held:
        raise BrokenContract(f"{rule}: {found}")


@contextmanager
def no_exception(rule: str, what: str) -> Iterator[None]:
    """What goes wrong in the block breaks the rule. what: the call, for the message."""
    try:
        yield
    except AssertionError:
        raise
    except Exception as error:
        raise BrokenContract(f"{rule}: {what} raises {type(error).__name__}: {error}") from error


@contextmanager
def global_generators_unused(what: str) -> Iterator[None]:
    """Whatever is drawn in the block comes from a generator that it was given. what: the call, for the message."""
    before = _global_states()
    yield
    for name, state in _global_states().items():
        must(
            before.get(name, state) == state,
            "no global generator is drawn from or seeded",
            f"{what} changes the state of {name}",
        )


def _global_states() -> dict[str, Any]:
    kind, keys, *rest = np.random.get_state(legacy=True)
    states: dict[str, Any] = {"random": random.getstate(), "numpy.random": (kind, bytes(np.asarray(keys)), *rest)}
    if "torch" in sys.modules:
        states["torch"] = bytes(sys.modules["torch"].get_rng_state().numpy())
    return states
