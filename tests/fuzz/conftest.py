"""Fuzzing: `cases` is how many inputs a test tries, few in `make test`, FASTCIFAR_FUZZ (3,000) in `make test-slow`.

The inputs come from a fixed seed, so that a failure comes again. A test says its few with `@pytest.mark.fuzz(few)`.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastcifar.errors import Failure

FEW, MANY = 25, 3000
SECONDS = 5.0  # of this process, for one input; a hang is more
MEMORY = 40_000  # kB that one input may take on top of what the process has; a good one of the sizes here takes less
STATUS, PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # on Linux


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cases" in metafunc.fixturenames:
        marked = metafunc.definition.get_closest_marker("fuzz")
        few = marked.args[0] if marked else FEW
        many = int(os.environ.get("FASTCIFAR_FUZZ", MANY))
        metafunc.parametrize("cases", [few, pytest.param(many, marks=pytest.mark.slow)], ids=["few", "many"])


@pytest.fixture
def answer() -> Callable[..., Any]:
    """Call something: its result, or None where it gave the one line that a user shall get. All else fails."""

    def ask(call: Callable[[], Any], source: str | Path = "") -> Any:
        start, memory = time.process_time(), _resident("VmRSS")
        _forget_peak()
        try:
            found = call()
        except (ValueError, Failure) as error:
            assert not isinstance(error, UnicodeError), f"{type(error).__name__} is of Python, not of ours: {error}"
            message, found = str(error), None
            assert "\n" not in message and len(message) < 1200, message
            assert str(source) in message, message
        assert time.process_time() - start < SECONDS
        assert _resident("VmHWM") - memory < MEMORY
        return found

    return ask


def _resident(name: str) -> int:
    """Memory of this process now (VmRSS) or at most (VmHWM), in kB; 0 where that cannot be read."""
    if not STATUS.exists():
        return 0
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def _forget_peak() -> None:
    """Let the highest use of memory begin again from now."""
    if PEAK.exists():
        PEAK.write_text("5")
